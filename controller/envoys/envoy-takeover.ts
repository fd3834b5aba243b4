// One Envoy replaces another: it starts next to it, gets what that one has, and then new
// connections. If that fails, the present one is not affected.

import { setTimeout as sleep } from "node:timers/promises";
import type { EnvoyKeeper } from "../../envoy/keeper.ts";
import { activateSlot, noteDraining, otherSlot, type Slot } from "../../envoy/slots.ts";
import type { Log } from "../observe/log.ts";
import type { EnvoyPlane } from "../plane/envoy-plane.ts";
import type { NodeSync } from "../plane/node-sync.ts";
import type { PluginDelivery } from "../xds/plugin-delivery.ts";

/** The plugin in service, which starts in the other Envoy before that one gets new connections. */
export interface MovablePlugin {
  moveTo(delivery: PluginDelivery, move: () => Promise<void>): Promise<void>;
}

interface EnvoyTakeoverParts {
  runDir: string;
  log: Log;
  sync: NodeSync;
  plugin: MovablePlugin;
  /** The slot of the Envoy that takes over. */
  slot: Slot;
  plane: EnvoyPlane;
  keeper: EnvoyKeeper;
  /** When to end the present Envoy; milliseconds since 1970. */
  until: number;
}

/** The limit from its start until it answers with the plugin in it. */
const READY_WITHIN_MS = 60_000;
const ASK_INTERVAL_MS = 20;

export class EnvoyTakeover {
  readonly #parts: EnvoyTakeoverParts;

  constructor(parts: EnvoyTakeoverParts) {
    this.#parts = parts;
  }

  /** Resolves when the other gets new connections; rejects after it has been ended again. */
  async run(): Promise<void> {
    const { plane, plugin, keeper, sync } = this.#parts;
    try {
      await plugin.moveTo(plane.delivery, async () => {
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
      if (lastDeath) throw new Error(`the new Envoy exited (${lastDeath}); see the log`);
      const isReady = plane.isConnected && (await plane.table.version().catch(() => undefined));
      if (isReady) return;
      await sleep(ASK_INTERVAL_MS);
    }
    const { directory } = plane.place;
    const seconds = READY_WITHIN_MS / 1_000;
    throw new Error(`the new Envoy (${directory}) was not ready within ${seconds} s; see its log`);
  }

  /** Runs just before new connections go to the new Envoy, so that little is missed in between. */
  async #record(): Promise<void> {
    const { runDir, slot, until, plane, sync, log } = this.#parts;
    await plane.table.takeAffinityFrom(sync.plane.table).catch(({ message }: Error) => {
      log.warn(
        { error: message },
        "cannot copy session affinity to the new Envoy: clients may get another backend",
      );
    });
    await noteDraining(runDir, otherSlot(slot), until);
    await activateSlot(runDir, slot);
  }

  async #undo(): Promise<void> {
    const { runDir, slot, plane, keeper } = this.#parts;
    await activateSlot(runDir, otherSlot(slot));
    await keeper.stop();
    await plane.stop();
  }
}
