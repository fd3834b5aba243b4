// Portico on the demo's node, used as a user does: the controller as a process, and the command
// `portico` for everything else.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { eventually } from "../eventually.ts";
import type { CommandResult } from "../namespaces/command.ts";
import type { Namespace } from "../namespaces/namespace.ts";
import type { Workspace } from "./workspace.ts";

const COMMAND = new URL("../../build/portico", import.meta.url).pathname;
/** So that Portico knows the Pods of this node: the Pod CIDR in deploy/demo/node.yaml. */
const LOCAL_PODS = ["--detect-local-mode", "ClusterCIDR", "--cluster-cidr", "10.1.1.0/24"];
const STOP_MS = 10_000;

/** One Service as `portico services -o json` shows it. */
interface ShownService {
  name: string;
  /** "address:port", each once, whatever the frontends. */
  backends: string[];
}

/** `portico ARGUMENTS` as program and arguments. */
export function porticoCommand(args: readonly string[]): [string, ...string[]] {
  return [process.execPath, COMMAND, ...args];
}

export class Portico {
  private readonly node: Namespace;
  private readonly workspace: Workspace;

  constructor(node: Namespace, workspace: Workspace) {
    this.node = node;
    this.workspace = workspace;
  }

  /** Starts the controller and, by it, Envoy; does not wait for them. `kept`: they outlive us. */
  start(nodeName: string, kept: boolean): void {
    const { manifestsDirectory, runDirectory, logFile, pidFile } = this.workspace;
    const source = ["--manifests", manifestsDirectory, "--node-name", nodeName, ...LOCAL_PODS];
    const command = porticoCommand(["run", ...source, "--run-dir", runDirectory, "--with-envoy"]);
    const script = 'exec "$@" >>"$0" 2>&1 </dev/null';
    const child = this.node.spawn("sh", ["-c", script, logFile, ...command], {
      outlive: kept,
      stdio: "ignore",
    });
    writeFileSync(pidFile, `${child.pid}\n`);
  }

  /** Runs `portico ARGUMENTS` for this node; the result is there also when it failed. */
  command(...args: string[]): Promise<CommandResult> {
    const [program, ...rest] = porticoCommand([...args, "--run-dir", this.workspace.runDirectory]);
    return this.node.exec(program, rest, { allowFailure: true, timeoutMs: 30_000 });
  }

  /** The Services that the data plane has; throws when that cannot be asked. */
  async services(): Promise<ShownService[]> {
    return servicesFromJson((await this.json("services")) as ServicesJson);
  }

  /** Addresses of a Service's backends that new connections of all clients leave alone. */
  async ejected(service: string): Promise<Set<string>> {
    const { frontends } = (await this.json("services")) as ServicesJson;
    const own = frontends.filter((frontend) => frontend.service === service);
    return new Set(own.flatMap(({ ejected }) => ejected.map(({ backend }) => backend.address)));
  }

  /** The build of the plugin that serves. */
  async pluginBuild(): Promise<string> {
    const { build } = (await this.json("plugin", "status")) as { build: string };
    return build;
  }

  private async json(...args: string[]): Promise<unknown> {
    const { code, stdout, stderr } = await this.command(...args, "-o", "json");
    if (code !== 0) throw new Error(`portico ${args.join(" ")}: ${stderr.trim()}`);
    return JSON.parse(stdout);
  }

  /** The last lines that controller and Envoy printed. */
  lastWords(lines: number): string {
    if (!existsSync(this.workspace.logFile)) return "";
    const text = readFileSync(this.workspace.logFile, "utf8").trimEnd();
    return text.split("\n").slice(-lines).join("\n");
  }
}

/** Ends a workspace's controller, and not Envoy; false when it had to be killed. */
export async function stopController(workspace: Workspace): Promise<boolean> {
  return (await endController(workspace, "SIGTERM")) || !(await killController(workspace));
}

/** Kills it; true when there was something to kill, and it is gone. */
export async function killController(workspace: Workspace): Promise<boolean> {
  return await endController(workspace, "SIGKILL");
}

async function endController(workspace: Workspace, signal: NodeJS.Signals): Promise<boolean> {
  const { pidFile } = workspace;
  if (!existsSync(pidFile)) return true;
  const pid = Number(readFileSync(pidFile, "utf8"));
  if (!isController(pid, workspace)) return true;
  process.kill(pid, signal);
  try {
    await eventually("its end", STOP_MS, async () => !isController(pid, workspace));
    return true;
  } catch {
    return false;
  }
}

/** A process id may have gone to a stranger; a dead process has no command line. */
function isController(pid: number, { runDirectory }: Workspace): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(runDirectory);
  } catch {
    return false;
  }
}

interface ServicesJson {
  frontends: {
    service: string;
    backends: { address: string; port: number }[];
    /** Those of them that are ejected for all clients. */
    ejected: { backend: { address: string } }[];
  }[];
}

function servicesFromJson({ frontends }: ServicesJson): ShownService[] {
  const byName = new Map<string, Set<string>>();
  for (const { service, backends } of frontends) {
    const known = byName.get(service) ?? new Set();
    for (const { address, port } of backends) known.add(`${address}:${port}`);
    byName.set(service, known);
  }
  return [...byName].map(([name, backends]) => ({ name, backends: [...backends] }));
}
