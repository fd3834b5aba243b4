// Changes of the node's bridges, from the kernel watch → the kernel's rules are written again when
// they depend on what changed (capture/bridge.ts): br_netfilter or a bridge appeared, a bridge got
// another address, bridges start or stop calling iptables.
//
// Every Pod's link that appears or disappears causes a look, which takes one run of `ip`.

import {
  type BridgeCalls,
  type Bridges,
  CALL_FILES,
  readBridges,
} from "../capture/bridge-facts.ts";
import type { BridgePlan } from "../capture/bridge-plan.ts";
import { runProgram } from "../capture/program.ts";
import type { KernelWatch } from "../kernel-watch/kernel-watch.ts";
import { sameData } from "../model/same-data.ts";
import type { Clock } from "../system/clock.ts";
import { Looks } from "../system/looks.ts";
import { spaced } from "../system/spaced.ts";

/** The least time between two looks. */
const INTERVAL_MS = 200;
/** The time after a look that failed, for lack of descriptors, say. */
const RETRY_MS = 1_000;

interface BridgeWatchParts {
  watch: Pick<KernelWatch, "listen" | "watchSetting">;
  clock: Clock;
  /** Called when the rules must be written again. */
  changed: () => void;
  /** Returns the best plan for bridges with these settings. */
  planFor: (calls: BridgeCalls) => Promise<BridgePlan>;
  /** Receives each new plan. */
  planned: (plan: BridgePlan) => void;
  read?: () => Promise<Bridges>;
}

type Known = Pick<Bridges, "calls" | "facts">;

export class BridgeWatch {
  readonly #parts: Required<BridgeWatchParts>;
  #known: Known | undefined;
  readonly #looks: Looks;

  constructor(parts: BridgeWatchParts) {
    this.#parts = { read: bridgesOfNode, ...parts };
    const { watch, clock } = parts;
    this.#looks = new Looks({ clock, retryMs: RETRY_MS, look: () => this.#look() });
    const look = spaced(clock, INTERVAL_MS, () => void this.#looks.now());
    for (const kind of ["link", "address", "missed"] as const) watch.listen(kind, look);
    for (const path of CALL_FILES) watch.watchSetting(path);
    watch.listen("setting", ({ path }) => {
      if (CALL_FILES.includes(path)) look();
    });
  }

  /** Takes the present state as the baseline. Resolves once there is a plan for it. */
  async start(): Promise<void> {
    this.#known = await this.#parts.read().catch(() => undefined);
    await this.#judge();
  }

  stop(): void {
    this.#looks.stop();
  }

  async #look(): Promise<void> {
    const { read, changed } = this.#parts;
    const present = await read();
    if (this.#looks.isStopped) return;
    const before = this.#known;
    this.#known = present;
    if (!sameData(before?.facts, present.facts)) changed();
    if (!sameData(before?.calls, present.calls)) await this.#judge();
  }

  async #judge(): Promise<void> {
    const { planFor, planned } = this.#parts;
    planned(await planFor(this.#known?.calls));
  }
}

function bridgesOfNode(): Promise<Bridges> {
  return readBridges(async (args) => {
    const { code, stdout, stderr } = await runProgram("ip", args, "");
    if (code !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr}`);
    return stdout;
  });
}
