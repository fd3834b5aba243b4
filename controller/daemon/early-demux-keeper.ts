// The sysctl net.ipv4.tcp_early_demux (capture/early-demux.ts says why it is off) → off again when
// others put it on, and what keeps it from that as a problem of this node.

import { readFile } from "node:fs/promises";
import { disableEarlyDemux, EARLY_DEMUX_FILE } from "../capture/early-demux.ts";
import type { KernelWatch } from "../kernel-watch/kernel-watch.ts";
import type { Log } from "../observe/log.ts";

export interface EarlyDemuxKeeperParts {
  watch: KernelWatch;
  log: Log;
  /** Where it is recorded what the setting was. */
  record: string;
  /** What others put on is off again. */
  repaired: () => void;
  /** Replaces the sentences about it; none when all is well. */
  report: (problems: readonly string[]) => void;
}

export class EarlyDemuxKeeper {
  readonly #parts: EarlyDemuxKeeperParts;
  #work: Promise<void> = Promise.resolve();
  #isOff = false;

  constructor(parts: EarlyDemuxKeeperParts) {
    this.#parts = parts;
    const { watch } = parts;
    watch.watchSetting(EARLY_DEMUX_FILE);
    watch.listen("setting", ({ path }) => {
      if (path === EARLY_DEMUX_FILE) void this.putOff();
    });
  }

  /** Puts it off if it is on. */
  putOff(): Promise<void> {
    this.#work = this.#work.then(() => this.#putOff());
    return this.#work;
  }

  async #putOff(): Promise<void> {
    const { record, log, repaired, report } = this.#parts;
    const present = await readFile(EARLY_DEMUX_FILE, "utf8").catch(() => "0");
    const problems = await disableEarlyDemux(record);
    report(problems);
    const wasOff = this.#isOff;
    this.#isOff = problems.length === 0;
    if (!wasOff || !this.#isOff || present.trim() === "0") return;
    log.warn("repaired the sysctl net.ipv4.tcp_early_demux: another process had put it on");
    repaired();
  }
}
