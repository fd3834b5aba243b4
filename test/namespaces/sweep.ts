// Names of network namespaces → nothing left of them: their processes killed, their names removed.
// Synchronous, because it also has to work while the process exits. Touches only namespaces whose
// names begin with the given prefix, and processes that live in those.

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readlinkSync, statSync } from "node:fs";

const NETNS_DIR = "/run/netns";
const OWN_PREFIX = /^portico-(\d+)-/;

let counter = 0;
const live = new Set<string>();

/** A prefix for namespace names that no other run has; names its owner, so that it can be swept. */
export function uniquePrefix(): string {
  counter += 1;
  return `portico-${process.pid}-${counter}`;
}

/** Removes the namespaces that runs left behind which were killed before they could. */
export function removeLeftovers(): void {
  const dead = namespaceNames().filter((name) => {
    const owner = OWN_PREFIX.exec(name)?.[1];
    return owner !== undefined && !existsSync(`/proc/${owner}`);
  });
  remove(dead);
}

/** Removes every namespace whose name begins with `prefix-`, with the processes in them. */
export function removeNamespaces(prefix: string): void {
  remove(namespaceNames().filter((name) => name.startsWith(`${prefix}-`)));
}

/** From now on the namespaces of this prefix are removed when this process ends. */
export function removeOnExit(prefix: string): void {
  hookExit();
  live.add(prefix);
}

/** The namespaces of this prefix outlive this process from now on. */
export function leaveOnExit(prefix: string): void {
  live.delete(prefix);
}

function namespaceNames(): string[] {
  return existsSync(NETNS_DIR) ? readdirSync(NETNS_DIR) : [];
}

function remove(names: readonly string[]): void {
  if (names.length === 0) return;
  for (const pid of processesIn(names)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended by itself in the meantime.
    }
  }
  const input = names.map((name) => `netns del ${name}\n`).join("");
  spawnSync("ip", ["-force", "-batch", "-"], { input });
}

function processesIn(names: readonly string[]): number[] {
  const wanted = new Set(names.map((name) => `net:[${statSync(`${NETNS_DIR}/${name}`).ino}]`));
  const pids = readdirSync("/proc").filter((entry) => /^\d+$/.test(entry));
  return pids.map(Number).filter((pid) => {
    try {
      return pid !== process.pid && wanted.has(readlinkSync(`/proc/${pid}/ns/net`));
    } catch {
      return false;
    }
  });
}

let hooked = false;
function hookExit(): void {
  if (hooked) return;
  hooked = true;
  process.on("exit", () => {
    for (const prefix of live) removeNamespaces(prefix);
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => {
      for (const prefix of live) removeNamespaces(prefix);
      live.clear();
      process.kill(process.pid, signal);
    });
  }
}
