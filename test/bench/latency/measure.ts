// The options of `bench latency` → its figures: the proxies in turn, part by part.

import { readFileSync } from "node:fs";
import { progress } from "../progress.ts";
import { Churn } from "./churn.ts";
import type { Figures } from "./figures.ts";
import { beginProfile } from "./profile.ts";
import { selfTimes } from "./self-times.ts";
import { PROXY_NAMES, type ProxyName } from "./service-proxy.ts";
import { Stand } from "./stand.ts";
import { measureMemory, measureStarts, startCold } from "./starts.ts";
import { measureChurn, measureKinds, measureMoves } from "./turns.ts";

export const PARTS = ["memory", "start", "moves", "churn", "kinds"] as const;
type Part = (typeof PARTS)[number];
const FEW_SERVICES = 10;
/** A start of kube-proxy may take half a minute. */
const MOST_STARTS = 3;

export interface MeasureOptions {
  services: number;
  endpoints: number;
  rounds: number;
  /** Other changes a second. */
  churn: number;
  /** Absent: all. */
  only?: ProxyName;
  /** Another build/portico. */
  before?: string;
  parts: readonly Part[];
  kinds: readonly string[];
  /** File for a CPU profile of Portico's controller in its turns. */
  profile?: string;
}

/** When it fails, what was measured before is in the figures. */
export async function measure(options: MeasureOptions, figures: Figures): Promise<void> {
  await onStand(options, async (stand) => {
    await starts(stand, figures, options);
    await turns(stand, figures, options);
  });
}

/** What a proxy occupies that has next to nothing to do. */
export async function measureFew(options: MeasureOptions, figures: Figures): Promise<void> {
  await onStand({ ...options, services: FEW_SERVICES }, async (stand) => {
    for (const proxy of stand.proxies) {
      progress(`${proxy.name}: ${FEW_SERVICES} Services`);
      await startCold(stand, proxy);
      await measureMemory(proxy, figures, ` with ${FEW_SERVICES} Services`);
      await proxy.stop();
      await proxy.clean();
    }
  });
}

async function onStand(
  options: MeasureOptions,
  use: (stand: Stand) => Promise<void>,
): Promise<void> {
  const { services, endpoints, profile, before } = options;
  const inspected = profile !== undefined;
  const proxies = proxiesOf(options);
  const stand = await Stand.make({ services, endpoints, proxies, before, inspected });
  try {
    await use(stand);
  } finally {
    await stand.close();
  }
}

function proxiesOf({ only, before }: MeasureOptions): ProxyName[] {
  return PROXY_NAMES.filter((name) => {
    if (name === "before") return before !== undefined;
    return only === undefined || only === name;
  });
}

async function starts(stand: Stand, figures: Figures, options: MeasureOptions): Promise<void> {
  const { parts, rounds } = options;
  for (const proxy of stand.proxies) {
    progress(`${proxy.name}: start`);
    await startCold(stand, proxy);
    if (parts.includes("memory")) await measureMemory(proxy, figures);
    const count = Math.min(rounds, MOST_STARTS);
    if (parts.includes("start")) await measureStarts(stand, proxy, figures, count);
    proxy.pause();
  }
}

async function turns(stand: Stand, figures: Figures, options: MeasureOptions): Promise<void> {
  const { services, endpoints, rounds, parts, kinds, churn: perSecond, profile } = options;
  const churn = new Churn(stand.api, services, endpoints);
  const portico = stand.proxies.find(({ name }) => name === "portico");
  portico?.resume(); // to answer its inspector
  const profiled =
    profile === undefined || portico === undefined
      ? undefined
      : await beginProfile(portico.world.node, profile);
  for (let round = 1; round <= rounds; round++) {
    for (const proxy of stand.proxies) {
      progress(`round ${round} of ${rounds}: ${proxy.name}`);
      if (parts.includes("moves")) await measureMoves(stand, proxy, figures);
      if (parts.includes("churn")) {
        await measureChurn(stand, proxy, figures, { churn, perSecond });
      }
      if (parts.includes("kinds")) await measureKinds(stand, proxy, figures, kinds);
    }
  }
  portico?.resume();
  await profiled?.end();
  if (profile !== undefined)
    progress(`profile of Portico's turns:\n${selfTimes(readFileSync(profile, "utf8"))}`);
}
