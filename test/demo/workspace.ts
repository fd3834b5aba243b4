// Where one run of the demo keeps what it makes: a folder in /run, and a prefix for the names of
// its network namespaces. A kept demo has fixed names, so that people can type them and --down
// finds them; any other run has names of its own, so that several do not meet.

import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { removeNamespaces } from "../namespaces/sweep.ts";

/** In /run and not in /tmp: a Unix socket's path has 107 bytes at most. */
const PARENT = "/run";
const OWN = /^portico-(\d+)-demo$/;

export interface Workspace {
  /** What the namespaces' names begin with. */
  prefix: string;
  directory: string;
  /** The controller's --run-dir. */
  runDirectory: string;
  /** The controller's --manifests. */
  manifestsDirectory: string;
  /** What the controller and Envoy print. */
  logFile: string;
  /** Holds the controller's process id. */
  pidFile: string;
}

/** The one workspace that --keep fills and --down removes. */
export function keptWorkspace(): Workspace {
  return workspaceOf("portico-demo");
}

/** Its prefix is one that the sweep of test/namespaces knows as this process's. */
export function ownWorkspace(): Workspace {
  return workspaceOf(`portico-${process.pid}-demo`);
}

function workspaceOf(prefix: string): Workspace {
  const directory = join(PARENT, prefix);
  return {
    prefix,
    directory,
    runDirectory: join(directory, "run"),
    manifestsDirectory: join(directory, "manifests"),
    logFile: join(directory, "portico.log"),
    pidFile: join(directory, "portico.pid"),
  };
}

/** Makes it, empty; removes what runs left that were killed before they could. */
export function makeWorkspace(workspace: Workspace): void {
  for (const prefix of abandonedPrefixes()) removeWorkspace(workspaceOf(prefix));
  removeWorkspace(workspace);
  mkdirSync(workspace.runDirectory, { recursive: true, mode: 0o700 });
}

/** Removes its folder, and its namespaces with all that runs in them. */
export function removeWorkspace({ prefix, directory }: Workspace): void {
  removeNamespaces(prefix);
  rmSync(directory, { recursive: true, force: true });
}

/** Whether anything of it is there. */
export function isPresent(workspace: Workspace): boolean {
  return existsSync(workspace.directory) || namespacesOf(workspace).length > 0;
}

/** Names of its network namespaces. */
export function namespacesOf({ prefix }: Workspace): string[] {
  if (!existsSync("/run/netns")) return [];
  return readdirSync("/run/netns").filter((name) => name.startsWith(`${prefix}-`));
}

function abandonedPrefixes(): string[] {
  return readdirSync(PARENT).filter((name) => {
    const owner = OWN.exec(name)?.[1];
    return owner !== undefined && !existsSync(`/proc/${owner}`);
  });
}
