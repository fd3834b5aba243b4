// What a node has of Portico's: rules, routes, sets, sockets. After `portico cleanup` it has none.

import type { Namespace } from "../namespaces/namespace.ts";

const PORTICO = /portico|4100|1540\d|1541\d|proto(col)? 87|0x1000/;
const LOOKS = [
  "nft list ruleset",
  "ip -4 rule",
  "ip -6 rule",
  "ip -4 route show table all",
  "ip -6 route show table all",
  "ss -Hltnux",
];

/** Lines that name something of Portico's. */
export async function stateOf(node: Namespace): Promise<string[]> {
  const { stdout } = await node.exec("sh", ["-c", LOOKS.join("; ")]);
  return stdout.split("\n").filter((line) => PORTICO.test(line));
}

/** A line for each that is left; and one when there was nothing before, which proves nothing. */
export function leftBehind(before: readonly string[], after: readonly string[]): string[] {
  if (before.length === 0) return ["before the cleanup the node had nothing of Portico's"];
  return after.map((line) => `left after the cleanup: ${line.trim()}`);
}
