// A node's namespace → what Portico may leave behind in it, as sorted lines of text that can be
// compared: nftables rules, routing rules and routes, and the processes. Leaves out what comes and
// goes with the Pods.

import { readFileSync } from "node:fs";
import { runCommand } from "../namespaces/command.ts";
import type { Namespace } from "../namespaces/namespace.ts";

export interface KernelState {
  rules: string[];
  processes: string[];
}

/** A Pod's link, and the addresses that the kernel gives to links by itself. */
const COMES_AND_GOES = / dev veth|fe80::|ff00::/;

export async function kernelState(node: Namespace): Promise<KernelState> {
  const [ruleset, ...routing] = await Promise.all([
    lines(node, "nft", "list", "ruleset"),
    lines(node, "ip", "-4", "rule", "show"),
    lines(node, "ip", "-6", "rule", "show"),
    lines(node, "ip", "-4", "route", "show", "table", "all"),
    lines(node, "ip", "-6", "route", "show", "table", "all"),
  ]);
  const lasting = routing.flat().filter((line) => !COMES_AND_GOES.test(line));
  const { stdout } = await runCommand("ip", ["netns", "pids", node.name]);
  const processes = stdout
    .trim()
    .split("\n")
    .filter((pid) => pid !== "")
    .map(nameOf);
  return { rules: [...(ruleset ?? []), ...lasting.sort()], processes };
}

/** Lines of `after` that were not there before, and lines of `before` that are gone, marked so. */
export function differences(before: readonly string[], after: readonly string[]): string[] {
  const added = after.filter((line) => !before.includes(line));
  const gone = before.filter((line) => !after.includes(line));
  return [...added.map((line) => `left behind: ${line}`), ...gone.map((line) => `gone: ${line}`)];
}

function nameOf(pid: string): string {
  try {
    return `process ${pid} (${readFileSync(`/proc/${pid}/comm`, "utf8").trim()})`;
  } catch {
    return `process ${pid}`;
  }
}

async function lines(node: Namespace, program: string, ...args: string[]): Promise<string[]> {
  const { stdout } = await node.exec(program, args, { allowFailure: true });
  return stdout
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}
