// How much the node has of everything that could grow: measured after each round, and flat or not
// over a campaign.

import { readdirSync, readFileSync } from "node:fs";
import { runPaths } from "../../controller/config/run-options.ts";
import { openConnections } from "../../envoy/admin.ts";
import type { Stand } from "./stand.ts";

export interface Gauges {
  controllerMB: number;
  controllerDescriptors: number;
  envoyMB: number;
  /** Without those of connections and of UDP flows, which live 35 s: clients decide how many. */
  envoyDescriptors: number;
  /** nftables rules of Portico's table, whatever is in its sets. */
  rules: number;
  /**
   * Elements in its sets and maps; the model decides how many. Without those that packets add, and
   * that time out: clients decide how many.
   */
  elements: number;
  /** ip rules and routes of Portico's protocol, both families. */
  routes: number;
}

/** What may be more at the end than at the beginning, for what lives on and what the model has. */
const SLACK: Readonly<Record<keyof Gauges, { factor: number; plus: number }>> = {
  controllerMB: { factor: 1.3, plus: 30 },
  controllerDescriptors: { factor: 1.2, plus: 16 },
  envoyMB: { factor: 1.5, plus: 30 },
  envoyDescriptors: { factor: 1.3, plus: 60 },
  rules: { factor: 1, plus: 0 },
  elements: { factor: 1, plus: 80 },
  routes: { factor: 1, plus: 0 },
};
const LEAST_ROUNDS = 8;

export async function readGauges(stand: Stand): Promise<Gauges> {
  const { served, portico } = stand;
  const [table, routes, open] = await Promise.all([
    served.exec("nft", ["-j", "list", "table", "inet", "portico"]),
    served.exec("sh", ["-c", ROUTES]),
    openConnections(runPaths(portico.runDirectory).adminSocket),
  ]);
  const { nftables } = JSON.parse(table.stdout) as { nftables: NftEntry[] };
  const sets = nftables.map(({ set, map }) => set ?? map);
  const programmed = sets.filter((set) => set?.flags?.includes("timeout") !== true);
  return {
    controllerMB: megabytes(portico.pid),
    controllerDescriptors: descriptors(portico.pid),
    envoyMB: megabytes(stand.envoyPid()),
    envoyDescriptors: descriptors(stand.envoyPid()) - open.udpFlows - 2 * open.tcp,
    rules: nftables.filter(({ rule }) => rule !== undefined).length,
    elements: programmed.reduce((sum, set) => sum + (set?.elem?.length ?? 0), 0),
    routes: routes.stdout.split("\n").filter((line) => line !== "").length,
  };
}

const ROUTES = `for family in -4 -6; do
  ip $family rule show | grep -w 4100 || true
  ip $family route show table 4100 2>/dev/null || true
done`;

interface NftSet {
  flags?: string[];
  elem?: unknown[];
}

interface NftEntry {
  rule?: object;
  set?: NftSet;
  map?: NftSet;
}

function megabytes(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024);
}

function descriptors(pid: number | undefined): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** A line for each gauge that has grown from the first quarter of the rounds to the last. */
export function grownIn(all: readonly Gauges[]): string[] {
  if (all.length < LEAST_ROUNDS) return [];
  const quarter = Math.floor(all.length / 4);
  const [first, last] = [all.slice(0, quarter), all.slice(-quarter)];
  return (Object.keys(SLACK) as (keyof Gauges)[]).flatMap((name) => {
    const { factor, plus } = SLACK[name];
    const [before, after] = [first, last].map((part) => median(part.map((each) => each[name])));
    const most = (before ?? 0) * factor + plus;
    return (after ?? 0) > most ? [`${name} grew from ${before} to ${after}, at most ${most}`] : [];
  });
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
