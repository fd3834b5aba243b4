// Notices when bridges begin or cease to call iptables: a sysctl says that, and the kernel reports
// no change of one, so this looks every second (two small files).

import { type BridgeCalls, readBridgeCalls } from "../capture/bridge-facts.ts";
import type { Clock } from "../clock.ts";
import { sameData } from "../model/same-data.ts";

const EVERY_MS = 1_000;

interface BridgeWatchOptions {
  clock: Clock;
  changed: () => void;
  read?: () => Promise<BridgeCalls>;
}

export class BridgeWatch {
  readonly #options: Required<BridgeWatchOptions>;
  #cancel = () => {};
  #stopped = false;

  constructor(options: BridgeWatchOptions) {
    this.#options = { read: readBridgeCalls, ...options };
  }

  /** What is so by now is no change. */
  async start(): Promise<void> {
    this.#plan(await this.#options.read());
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  #plan(known: BridgeCalls): void {
    if (this.#stopped) return;
    const { clock, read, changed } = this.#options;
    this.#cancel = clock.after(EVERY_MS, async () => {
      const present = await read();
      if (!this.#stopped && !sameData(known, present)) changed();
      this.#plan(present);
    });
  }
}
