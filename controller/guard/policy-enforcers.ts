// Who enforces NetworkPolicies on this node, for a controller that starts and for the doctor. What
// of the policies holds is check/enforcers.ts's.

import type { PolicyHook } from "../capture/options.ts";
import { OUT_LINK } from "../capture/policy-link.ts";
import { chainsInXtables, enforcersIn, isOpen, type KernelTraces } from "../check/enforcers.ts";
import type { Finding } from "../check/finding.ts";
import { type Machine, thisMachine } from "../check/machine.ts";
import type { Log } from "../observe/log.ts";
import type { Clock } from "../system/clock.ts";
import { repeat } from "../system/repeat.ts";

/** Chains that `nft` does not list; where iptables writes nftables' there is no such program. */
const OLDER = ["iptables-legacy-save", "ip6tables-legacy-save"];

interface EnforcerOptions {
  policyHook: PolicyHook;
  /** Start even where policies would let through what they should not. */
  allowOpenPolicies: boolean;
}

/**
 * Logs each enforcer; returns what was found of them. Throws where policies would let through what
 * they should not, unless that is allowed.
 */
export async function lookForEnforcers(
  { policyHook, allowOpenPolicies }: EnforcerOptions,
  log: Pick<Log, "info" | "warn">,
  machine: Machine = thisMachine,
): Promise<Finding[]> {
  const found = enforcersIn(await readTraces(machine), policyHook);
  const open = found.filter(isOpen);
  if (open.length > 0 && !allowOpenPolicies) {
    const flag = "to start Portico anyway, add --allow-open-policies";
    throw new Error(`${open.map(sentence).join("; ")}; ${flag}`);
  }
  logEach(found, log);
  return found;
}

/** What does not hold, a sentence each. */
export function openPolicies(found: readonly Finding[]): string[] {
  return found.filter(isOpen).map(sentence);
}

interface EnforcerWatchOptions {
  policyHook: PolicyHook;
  everyMs: number;
  clock: Clock;
  log: Pick<Log, "info" | "warn">;
  /** Gets what does not hold at each look. */
  report: (notHeld: string[]) => void;
  machine?: Machine;
}

/**
 * Looks again and again for enforcers that start, or are set up otherwise, after `known` was found:
 * logs what is new. Portico goes on, whatever it finds: to stop would end this node's Services.
 * Returns what ends it.
 */
export function watchEnforcers(
  known: readonly Finding[],
  options: EnforcerWatchOptions,
): () => void {
  const { policyHook, everyMs, clock, log, report, machine = thisMachine } = options;
  let last = known;
  const look = async () => {
    const traces = await tracesOrNothing(machine);
    // Not of a node that nft cannot be asked about at present.
    if (traces === undefined) return;
    const found = enforcersIn(traces, policyHook);
    const isKnown = ({ what }: Finding) => last.some((each) => each.what === what);
    logEach(
      found.filter((each) => !isKnown(each)),
      log,
    );
    last = found;
    report(openPolicies(found));
  };
  return repeat(clock, everyMs, () => look().catch(() => {}));
}

function logEach(found: readonly Finding[], log: Pick<Log, "info" | "warn">): void {
  for (const finding of found) {
    if (finding.level === "note") log.info(sentence(finding));
    else log.warn(sentence(finding));
  }
}

/** As Portico is set up now: its links are there where first packets are forwarded. */
export async function presentEnforcers(machine: Machine = thisMachine): Promise<Finding[]> {
  const traces = await readTraces(machine);
  return enforcersIn(traces, traces.links.includes(OUT_LINK) ? "forward" : "output");
}

/** What cannot be read has nothing in it. */
async function readTraces(machine: Machine): Promise<KernelTraces> {
  return (await tracesOrNothing(machine)) ?? { tables: [], chains: [], links: [] };
}

/** Undefined: nft does not answer. */
async function tracesOrNothing(machine: Machine): Promise<KernelTraces | undefined> {
  const listed = await machine.run("nft", ["--json", "list", "chains"]);
  if (listed?.code !== 0) return undefined;
  const chains = chainsFrom(listed.stdout);
  const older = OLDER.map(async (program) => {
    const saved = await machine.run(program, ["-t", "filter"]);
    return saved?.code === 0 ? chainsInXtables(saved.stdout.split("\n")) : [];
  });
  return {
    tables: [...new Set(chains.map(({ family, table }) => `${family} ${table}`))],
    chains: [...chains.map(({ name }) => name), ...(await Promise.all(older)).flat()],
    links: await linksOf(machine),
  };
}

/** Not by /sys, which may be of another network namespace. */
async function linksOf(machine: Machine): Promise<string[]> {
  const printed = await machine.run("ip", ["-o", "link", "show"]);
  return [...(printed?.stdout ?? "").matchAll(/^\d+: ([^:@]+)/gm)].map(([, name = ""]) => name);
}

interface PrintedChain {
  family: string;
  table: string;
  name: string;
}

function chainsFrom(json: string): PrintedChain[] {
  const { nftables } = JSON.parse(json) as { nftables: { chain?: PrintedChain }[] };
  return nftables.flatMap(({ chain }) => chain ?? []);
}

function sentence({ what, seen, todo }: Finding): string {
  return todo === "" ? `${what} (${seen})` : `${what} (${seen}); ${todo}`;
}
