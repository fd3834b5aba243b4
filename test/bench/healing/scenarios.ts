// What goes wrong while clients connect, by name: which Pods serve at the start, how many clients
// come, and what happens meanwhile.

import { setTimeout as delay } from "node:timers/promises";
import type { Api } from "../latency/api.ts";
import { nowMs } from "../latency/client.ts";
import { type HealingService, sliceOf } from "./objects.ts";
import type { OpenLoad } from "./open-loop.ts";
import { type PodName, ROLLING } from "./plan.ts";
import type { HealingWorld } from "./world.ts";

export const SCENARIO_NAMES = [
  "sound",
  "refusing",
  "node-lost",
  "rolling",
  "half-silent",
  "all-silent",
] as const;
export type ScenarioName = (typeof SCENARIO_NAMES)[number];

/** As asked for on the command line. */
export interface Pace {
  rate: number;
  seconds: number;
}

/** One scenario with one peer, under load. */
interface Turn {
  world: HealingWorld;
  api: Api;
  service: HealingService;
  pace: Pace;
  /** When the first connection is due, on the clock of nowMs(). */
  begunMs: number;
}

interface Scenario {
  what: string;
  /** The endpoints at the start. */
  pods: readonly PodName[];
  load: (pace: Pace) => Pick<OpenLoad, "rate" | "seconds" | "patienceMs">;
  /** Before the first connection; absent: nothing. */
  prepare?: (world: HealingWorld) => Promise<void>;
  /**
   * Resolves, when all has happened, with the time since the first connection when the fault began;
   * undefined: from then on there is no time of which something is expected. Absent: at 0.
   */
  happens?: (turn: Turn) => Promise<number | undefined>;
  /** Afterwards, also when it failed; absent: nothing. */
  restore?: (world: HealingWorld) => Promise<void>;
}

/** After which a client gives up; longer than any attempt of Portico's. */
const PATIENCE_MS = 5_000;
const LOST_AFTER_MS = 1_500;
/** All attempts of Portico's take 10 s. */
const LONG_PATIENCE_MS = 12_000;
const SOUND_SECONDS = 3;
const FEW: Pace = { rate: 20, seconds: 2 };
/** Of a new Pod that is ready, and until it is started again. */
const CRASHES_AFTER_MS = 500;
const RESTARTED_AFTER_MS = 500;
/** Until the cluster knows that an old Pod has ended. */
const REMOVED_AFTER_MS = 300;

const patient = (pace: Pace) => ({ ...pace, patienceMs: PATIENCE_MS });

export const SCENARIOS: Record<ScenarioName, Scenario> = {
  sound: {
    what: `nothing fails, for ${SOUND_SECONDS} s: what this machine can carry at that rate`,
    pods: ["web-1", "web-2", "web-3"],
    load: (pace) => patient({ ...pace, seconds: Math.min(pace.seconds, SOUND_SECONDS) }),
  },
  refusing: {
    what: "one of two backends refuses all the time",
    pods: ["web-1", "refusing"],
    load: patient,
  },
  "node-lost": {
    what: `one of three nodes vanishes after ${LOST_AFTER_MS} ms, the endpoints stay`,
    pods: ["web-1", "web-2", "web-3"],
    load: patient,
    happens: async ({ world, begunMs }) => {
      await delay(begunMs + LOST_AFTER_MS - nowMs());
      await world.loseNode();
      return nowMs() - begunMs;
    },
    restore: (world) => world.regainNode(),
  },
  rolling: {
    what:
      "three Pods are replaced: each new one crashes once after it was ready, each old one ends " +
      `${REMOVED_AFTER_MS} ms before its endpoint is removed`,
    pods: ROLLING.map(([old]) => old),
    load: patient,
    prepare: async (world) => {
      for (const [old] of ROLLING) await world.serve(old);
    },
    happens: roll,
    restore: async (world) => {
      for (const pods of ROLLING) for (const pod of pods) await world.end(pod);
    },
  },
  "half-silent": {
    what: "two of four backends do not answer",
    pods: ["web-1", "web-2", "silent-1", "silent-2"],
    load: patient,
  },
  "all-silent": {
    what: "neither of two backends answers",
    pods: ["silent-1", "silent-2"],
    load: () => ({ ...FEW, patienceMs: LONG_PATIENCE_MS }),
    happens: async () => undefined,
  },
};

async function roll({ world, api, service, pace, begunMs }: Turn): Promise<undefined> {
  const stepMs = (pace.seconds * 1_000) / (ROLLING.length + 1);
  let pods: PodName[] = ROLLING.map(([old]) => old);
  for (const [index, [old, next]] of ROLLING.entries()) {
    await delay(Math.max(1, begunMs + stepMs * (index + 0.5) - nowMs()));
    await world.serve(next);
    pods = [...pods, next];
    await api.replace(sliceOf(service, pods));
    await delay(CRASHES_AFTER_MS);
    await world.end(next);
    await delay(RESTARTED_AFTER_MS);
    await world.serve(next);
    await world.end(old);
    await delay(REMOVED_AFTER_MS);
    pods = pods.filter((name) => name !== old);
    await api.replace(sliceOf(service, pods));
  }
  return undefined;
}
