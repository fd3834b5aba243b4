// One Envoy takes the place of another: it is started beside it, gets what that one has, and then
// what is new. If that fails, the present one has noticed nothing.

import { setTimeout as sleep } from "node:timers/promises";
import type { EnvoyKeeper } from "../../envoy/keeper.ts";
import { activateSlot, noteDraining, otherSlot, type Slot } from "../../envoy/slots.ts";
import type { RunOptions } from "../config.ts";
import type { Log } from "../observe/log.ts";
import type { ActivePlugin } from "./active-plugin.ts";
import type { EnvoyPlane } from "./envoy-plane.ts";
import type { NodeSync } from "./node-sync.ts";

export interface EnvoyTakeoverParts {
  options: RunOptions;
  log: Log;
  sync: NodeSync;
  plugin: ActivePlugin;
  /** Of the Envoy that is to take over. */
  slot: Slot;
  plane: EnvoyPlane;
  keeper: EnvoyKeeper;
  /** When the present Envoy is to be ended; milliseconds since 1970. */
  until: number;
}

/** From its start until it answers with the plugin in it. */
const READY_WITHIN_MS = 60_000;
const ASK_INTERVAL_MS = 20;

export class EnvoyTakeover {
  readonly #parts: EnvoyTakeoverParts;

  constructor(parts: EnvoyTakeoverParts) {
    this.#parts = parts;
  }

  /** Resolves when the other gets what is new; rejects after it has ended again. */
  async run(): Promise<void> {
    const { plane, plugin, keeper, sync } = this.#parts;
    try {
      await plugin.moveTo(plane.rollout, async () => {
        await plane.xds.start();
        await keeper.start();
        await this.#untilReady();
        await sync.moveTo(plane, () => this.#record());
      });
    } catch (error) {
      await this.#undo();
      throw error;
    }
  }

  async #untilReady(): Promise<void> {
    const { plane, keeper } = this.#parts;
    const deadline = performance.now() + READY_WITHIN_MS;
    while (performance.now() < deadline) {
      const { lastDeath } = keeper;
      if (lastDeath) throw new Error(`the new Envoy died (${lastDeath}); see the log`);
      const isReady = plane.isConnected && (await plane.table.version().catch(() => undefined));
      if (isReady) return;
      await sleep(ASK_INTERVAL_MS);
    }
    const { directory } = plane.place;
    const seconds = READY_WITHIN_MS / 1_000;
    throw new Error(`the new Envoy (${directory}) was not ready within ${seconds} s; see its log`);
  }

  /** Just before new connections go to the new Envoy, so that little is remembered in between. */
  async #record(): Promise<void> {
    const { options, slot, until, plane, sync, log } = this.#parts;
    await plane.table.takeAffinityFrom(sync.plane.table).catch(({ message }: Error) => {
      log.warn({ error: message }, "session affinity begins anew in the new Envoy");
    });
    await noteDraining(options.runDir, otherSlot(slot), until);
    await activateSlot(options.runDir, slot);
  }

  async #undo(): Promise<void> {
    const { options, slot, plane, keeper } = this.#parts;
    await activateSlot(options.runDir, otherSlot(slot));
    await keeper.stop();
    await plane.stop();
  }
}
