// One proxy's turn: the machine is its own, and what is measured goes into the figures.

import { setTimeout as delay } from "node:timers/promises";
import { progress } from "../progress.ts";
import type { Churn } from "./churn.ts";
import type { Figures } from "./figures.ts";
import { changeCost, idleCost } from "./kind-cost.ts";
import { KINDS } from "./kinds.ts";
import type { ServiceProxy } from "./service-proxy.ts";
import type { Stand } from "./stand.ts";
import { difference, sum } from "./tree-cost.ts";

const PAUSE_MS = 2_000;
const MOVES = { paused: 6, unbroken: 15, churn: 8 };
const CHURN = { warmUpMs: 2_000, lookMs: 8_000 };

/** Connections that obey, after single changes and after changes without a pause. */
export async function measureMoves(
  stand: Stand,
  proxy: ServiceProxy,
  figures: Figures,
): Promise<void> {
  await stand.give(proxy);
  await moves(stand, proxy, figures, "one change every 2 s", MOVES.paused, PAUSE_MS);
  await moves(stand, proxy, figures, "changes without a pause", MOVES.unbroken, 0);
}

/** The same while other things change, and what these alone take of a core. */
export async function measureChurn(
  stand: Stand,
  proxy: ServiceProxy,
  figures: Figures,
  { churn, perSecond }: { churn: Churn; perSecond: number },
): Promise<void> {
  await stand.give(proxy);
  churn.start(perSecond);
  try {
    await delay(CHURN.warmUpMs);
    const [before, count, begun] = [proxy.cost(), churn.count, performance.now()];
    await delay(CHURN.lookMs);
    const [spent, elapsedMs] = [difference(proxy.cost(), before), performance.now() - begun];
    const rate = `${perSecond} changes a second`;
    figures.add(proxy.name, `share under ${rate}`, "of a core", sum(spent) / 1_000 / elapsedMs);
    const reached = ((churn.count - count) * 1_000) / elapsedMs;
    figures.add(proxy.name, `  changes a second that were made`, "", reached);
    await moves(stand, proxy, figures, `under ${rate}`, MOVES.churn, 0);
  } finally {
    churn.stop();
  }
}

/** CPU for one change of each kind. */
export async function measureKinds(
  stand: Stand,
  proxy: ServiceProxy,
  figures: Figures,
  kinds: readonly string[],
): Promise<void> {
  await stand.give(proxy);
  const idle = await idleCost(proxy);
  figures.add(proxy.name, "share at rest", "of a core", sum(idle) / 1_000);
  for (const name of kinds) {
    const kind = KINDS[name]?.();
    if (kind === undefined) throw new Error(`no kind of change is called ${name}`);
    progress(`  ${name}`);
    const cost = await changeCost(stand.api, proxy, kind, idle);
    figures.add(proxy.name, `CPU of one change: ${name}`, "ms", sum(cost));
    if (proxy.envoy() !== undefined)
      figures.add(proxy.name, `  of it Envoy: ${name}`, "ms", cost.envoy);
    figures.add(proxy.name, `  of it children (nft, ip): ${name}`, "ms", cost.children);
  }
}

async function moves(
  stand: Stand,
  proxy: ServiceProxy,
  figures: Figures,
  when: string,
  count: number,
  pauseMs: number,
): Promise<void> {
  for (let move = 0; move < count; move++) {
    await delay(pauseMs);
    const { obeyedMs, writtenMs, failed } = await stand.moved.move(proxy);
    figures.add(proxy.name, `write → obeyed, ${when}`, "ms", obeyedMs, ["p50", "p90", "max"]);
    figures.add(proxy.name, `  of it the API server's answer, ${when}`, "ms", writtenMs);
    figures.add(proxy.name, `  connections that failed, ${when}`, "", failed, ["max"]);
  }
}
