// Keeps the sysctl net.ipv4.tcp_early_demux off when others turn it on (capture/early-demux.ts says
// why), and reports what prevents that as a problem of this node.

import { readFile } from "node:fs/promises";
import { disableEarlyDemux, EARLY_DEMUX_FILE } from "../capture/early-demux.ts";
import type { KernelWatch } from "../kernel-watch/kernel-watch.ts";
import type { Log } from "../observe/log.ts";
import type { Clock } from "../system/clock.ts";
import { Looks } from "../system/looks.ts";

/** From a try that failed, for lack of descriptors, say. */
const RETRY_MS = 5_000;

interface EarlyDemuxKeeperParts {
  watch: Pick<KernelWatch, "listen" | "watchSetting">;
  clock: Clock;
  log: Log;
  /** The file that records the former setting. */
  record: string;
  /** Called when it is off again after others turned it on. */
  repaired: () => void;
  /** Replaces the messages about it; none when all is well. */
  report: (problems: readonly string[]) => void;
  /** The sysctl's; absent: this node's. */
  file?: string;
}

export class EarlyDemuxKeeper {
  readonly #parts: EarlyDemuxKeeperParts;
  readonly #file: string;
  readonly #looks: Looks;
  #isOff = false;

  constructor(parts: EarlyDemuxKeeperParts) {
    this.#parts = parts;
    const { watch, clock, file = EARLY_DEMUX_FILE } = parts;
    this.#file = file;
    this.#looks = new Looks({ clock, retryMs: RETRY_MS, look: () => this.#putOff() });
    watch.watchSetting(file);
    watch.listen("setting", ({ path }) => {
      if (path === file) void this.putOff();
    });
  }

  /** Turns it off if it is on; tries again a little later when that fails. */
  putOff(): Promise<void> {
    return this.#looks.now();
  }

  stop(): void {
    this.#looks.stop();
  }

  async #putOff(): Promise<void> {
    const { record, log, repaired, report } = this.#parts;
    const present = await readFile(this.#file, "utf8").catch(() => "0");
    const problems = await disableEarlyDemux(record, this.#file);
    report(problems);
    const wasOff = this.#isOff;
    if (problems.length > 0) throw new Error(problems.join("; "));
    this.#isOff = true;
    if (!wasOff || present.trim() === "0") return;
    log.warn("repaired the sysctl net.ipv4.tcp_early_demux: another process had set it to 1");
    repaired();
  }
}
