// One kind of change, done several times → the CPU time of the proxy for one change.

import { setTimeout as delay } from "node:timers/promises";
import { quantile } from "../statistics.ts";
import type { Api } from "./api.ts";
import type { Kind } from "./kinds.ts";
import type { ServiceProxy } from "./service-proxy.ts";
import { difference, type TreeCost } from "./tree-cost.ts";

const IDLE = { looks: 10, lookMs: 500 };
const REPEATS = 3;
/** CPU in µs a millisecond when nothing happens. */
export async function idleCost(proxy: ServiceProxy): Promise<TreeCost> {
  const looks: TreeCost[] = [];
  for (let look = 0; look < IDLE.looks; look++) looks.push(await costOver(proxy, IDLE.lookMs));
  const median = (part: keyof TreeCost) =>
    quantile(
      looks.map((cost) => cost[part] / IDLE.lookMs),
      0.5,
    );
  return { main: median("main"), envoy: median("envoy"), children: median("children") };
}

/**
 * CPU in ms for one change, less what the proxy takes when nothing happens. The kind's objects are
 * made before and removed after.
 */
export async function changeCost(
  api: Api,
  proxy: ServiceProxy,
  kind: Kind,
  idle: TreeCost,
): Promise<TreeCost> {
  for (const object of kind.objects) await api.create(object);
  try {
    await delay(proxy.paceMs);
    await proxy.atRest();
    return summary(await samplesOf(api, proxy, kind, idle));
  } finally {
    for (const object of kind.objects) await api.remove(object);
    await delay(proxy.paceMs);
    await proxy.atRest();
  }
}

async function samplesOf(
  api: Api,
  proxy: ServiceProxy,
  kind: Kind,
  idle: TreeCost,
): Promise<TreeCost[]> {
  const { steps, changes = 1, repeats = REPEATS } = kind;
  const samples: TreeCost[] = [];
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const step of steps) {
      const [before, begun] = [proxy.cost(), performance.now()];
      await step(api);
      await delay(proxy.paceMs);
      const spent = difference(proxy.cost(), before);
      const elapsedMs = performance.now() - begun;
      const of = (part: keyof TreeCost) => {
        return (spent[part] - idle[part] * elapsedMs) / 1_000 / changes;
      };
      samples.push({ main: of("main"), envoy: of("envoy"), children: of("children") });
    }
  }
  return samples;
}

/**
 * Medians, for a proxy looks at everything now and then. Of children, whose time comes in ticks of
 * 10 ms, the mean without the highest, which is such a look's.
 */
function summary(samples: readonly TreeCost[]): TreeCost {
  const of = (part: keyof TreeCost) => samples.map((sample) => sample[part]);
  const kept = of("children")
    .sort((a, b) => a - b)
    .slice(0, Math.max(1, samples.length - 1));
  return {
    main: quantile(of("main"), 0.5),
    envoy: quantile(of("envoy"), 0.5),
    children: kept.reduce((sum, each) => sum + each, 0) / kept.length,
  };
}

async function costOver(proxy: ServiceProxy, milliseconds: number): Promise<TreeCost> {
  const before = proxy.cost();
  await delay(milliseconds);
  return difference(proxy.cost(), before);
}
