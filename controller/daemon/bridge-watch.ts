// The node's bridges, as the kernel watch reports their changes → the kernel's rules written again
// when they depend on what changed (capture/bridge.ts): br_netfilter or a bridge came, a bridge got
// another address, bridges begin or cease to call iptables.
//
// Each Pod's link that comes or goes is a reason to look, which takes one run of `ip`, and no more.

import {
  type BridgeCalls,
  type Bridges,
  CALL_FILES,
  readBridges,
} from "../capture/bridge-facts.ts";
import type { BridgePlan } from "../capture/bridge-plan.ts";
import { runProgram } from "../capture/program.ts";
import type { Clock } from "../clock.ts";
import type { KernelWatch } from "../kernel-watch/kernel-watch.ts";
import { sameData } from "../model/same-data.ts";
import { spaced } from "./spaced.ts";

/** Between two looks. */
const INTERVAL_MS = 200;
/** After one that failed: for want of descriptors, say. */
const RETRY_MS = 1_000;

interface BridgeWatchParts {
  watch: Pick<KernelWatch, "listen" | "watchSetting">;
  clock: Clock;
  /** The rules are to be written again. */
  changed: () => void;
  /** What is best for bridges that call iptables so. */
  planFor: (calls: BridgeCalls) => Promise<BridgePlan>;
  /** Gets that, whenever it was asked for. */
  planned: (plan: BridgePlan) => void;
  read?: () => Promise<Bridges>;
}

type Known = Pick<Bridges, "calls" | "facts">;

export class BridgeWatch {
  readonly #parts: Required<BridgeWatchParts>;
  #known: Known | undefined;
  #work: Promise<void> = Promise.resolve();
  #cancelRetry = () => {};
  #stopped = false;

  constructor(parts: BridgeWatchParts) {
    this.#parts = { read: bridgesOfNode, ...parts };
    const { watch, clock } = parts;
    const look = spaced(clock, INTERVAL_MS, () => this.#lookNext());
    for (const kind of ["link", "address", "missed"] as const) watch.listen(kind, look);
    for (const path of CALL_FILES) watch.watchSetting(path);
    watch.listen("setting", ({ path }) => {
      if (CALL_FILES.includes(path)) look();
    });
  }

  /** What is so by now is no change. Resolves once there is a plan for it. */
  async start(): Promise<void> {
    this.#known = await this.#parts.read().catch(() => undefined);
    await this.#judge();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelRetry();
  }

  #lookNext(): void {
    this.#work = this.#work.then(() => this.#look());
  }

  async #look(): Promise<void> {
    this.#cancelRetry();
    if (this.#stopped) return;
    const { read, changed, clock } = this.#parts;
    const present = await read().catch(() => undefined);
    if (this.#stopped) return;
    if (!present) {
      this.#cancelRetry = clock.after(RETRY_MS, () => this.#lookNext());
      return;
    }
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
