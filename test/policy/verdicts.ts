// A connection in both worlds → whether policies let it in, and whether the two agree.

import type { Worlds } from "../parity/comparison.ts";
import { observe } from "../parity/observe.ts";
import type { World } from "../parity/world.ts";
import { KNOWN_DIFFERENCES, type KnownDifference } from "./known-differences.ts";
import type { PolicyDial } from "./people.ts";
import type { PolicySet } from "./policies.ts";

type Verdict = "let in" | "kept out";

interface Verdicts {
  kubeProxy: Verdict;
  portico: Verdict;
}

/** What is the same for many connections. */
interface Circumstances {
  enforcer: string;
  /** How the Pods reach their nodes. */
  network: string;
  set: PolicySet;
}

export interface Judged extends Circumstances, Verdicts {
  dial: PolicyDial;
}

/** The second look is for what was late. */
const FIRST_LOOKS_MS = [1_000, 2_500];
/**
 * Outlasts Envoy's connections to a backend that a policy of before has denied: until they end, the
 * pool gives them what the same client's new ones have reached, and these wait for the SYN's next
 * repetition. Not for a difference that is known.
 */
const LAST_LOOK_MS = 12_000;
const AT_ONCE = 24;

/** All of them, several at once. */
export async function judge(
  worlds: Worlds,
  circumstances: Circumstances,
  dials: readonly PolicyDial[],
): Promise<Judged[]> {
  const waiting = [...dials];
  const judged: Judged[] = [];
  const lane = async () => {
    for (let dial = waiting.shift(); dial; dial = waiting.shift()) {
      judged.push(await judgeOne(worlds, { ...circumstances, dial }));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return judged;
}

async function judgeOne(worlds: Worlds, asked: Omit<Judged, keyof Verdicts>): Promise<Judged> {
  for (const timeoutMs of FIRST_LOOKS_MS) {
    const judged = { ...asked, ...(await look(worlds, asked.dial, timeoutMs)) };
    const isLast = timeoutMs === FIRST_LOOKS_MS.at(-1);
    const difference = differenceOf(judged);
    if (difference === undefined && !isLoss(judged)) return judged;
    if (isLast && difference !== undefined && difference !== "unknown") return judged;
  }
  return { ...asked, ...(await look(worlds, asked.dial, LAST_LOOK_MS)) };
}

/** Where no policy denies anything, a packet was lost: a queue to user space drops some. */
function isLoss({ set, kubeProxy }: Judged): boolean {
  return set.policies.length === 0 && kubeProxy === "kept out";
}

async function look(worlds: Worlds, dial: PolicyDial, timeoutMs: number): Promise<Verdicts> {
  const verdictIn = async (world: World): Promise<Verdict> => {
    const found = await observe(world, { kind: "spread", ...dial }, { tries: 1, timeoutMs });
    return found.some((text) => text.includes(" sees ")) ? "let in" : "kept out";
  };
  const { kubeProxy, portico } = worlds;
  const [theirs, ours] = await Promise.all([verdictIn(kubeProxy), verdictIn(portico)]);
  return { kubeProxy: theirs, portico: ours };
}

/** Undefined where the two agree. */
export function differenceOf(judged: Judged): KnownDifference | "unknown" | undefined {
  if (judged.kubeProxy === judged.portico) return undefined;
  return KNOWN_DIFFERENCES.find((known) => known.explains(judged)) ?? "unknown";
}

export function textOf({ dial, ...judged }: Judged): string {
  const { enforcer, network, set, kubeProxy, portico } = judged;
  const { from, to, frontend, backend, protocol } = dial;
  return (
    `${enforcer}, ${network}, ${set.name}: ${from} → ${to} over ${protocol} ` +
    `(${frontend} of ${backend}): ${kubeProxy} with kube-proxy, ${portico} with Portico`
  );
}
