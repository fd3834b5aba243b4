// Notices when bridges begin or cease to call iptables: a sysctl says that, and the kernel reports
// no change of one, so this looks every second (two small files).

import { type BridgeCalls, readBridgeCalls } from "../capture/bridge-facts.ts";
import { bridgeProblems } from "../capture/kernel-settings.ts";
import type { Clock } from "../clock.ts";
import { sameData } from "../model/same-data.ts";

const EVERY_MS = 1_000;

interface BridgeWatchOptions {
  clock: Clock;
  changed: () => void;
  /** Gets what is in the way by now; empty when nothing is. */
  report: (problems: string[]) => void;
  read?: () => Promise<BridgeCalls>;
  problemsOf?: (calls: BridgeCalls) => Promise<string[]>;
}

export class BridgeWatch {
  readonly #options: Required<BridgeWatchOptions>;
  #cancel = () => {};
  #stopped = false;

  constructor(options: BridgeWatchOptions) {
    this.#options = { read: readBridgeCalls, problemsOf: bridgeProblems, ...options };
  }

  /** What is so by now is no change. Does not wait until it is known whether that is a problem. */
  async start(): Promise<void> {
    const calls = await this.#options.read();
    void this.#judge(calls);
    this.#plan(calls);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  #plan(known: BridgeCalls): void {
    if (this.#stopped) return;
    this.#cancel = this.#options.clock.after(EVERY_MS, () => this.#look(known));
  }

  async #look(known: BridgeCalls): Promise<void> {
    const present = await this.#options.read().catch(() => known);
    if (!this.#stopped && !sameData(known, present)) {
      this.#options.changed();
      await this.#judge(present);
    }
    this.#plan(present);
  }

  async #judge(calls: BridgeCalls): Promise<void> {
    this.#options.report(await this.#options.problemsOf(calls));
  }
}
