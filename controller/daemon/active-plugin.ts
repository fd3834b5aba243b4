// The plugin that serves, and what people are told about it: which to begin with, loading another,
// going back.

import type { Log } from "../observe/log.ts";
import { PluginRejectedError } from "../xds/check-plugin.ts";
import type { PluginRollout } from "../xds/plugin-rollout.ts";
import type { PluginCode } from "../xds/resources.ts";
import type { PluginStatus } from "./control-api.ts";
import { ControlRefusal } from "./control-server.ts";
import type { PluginStore, StoredPlugin } from "./plugin-store.ts";

export class ActivePlugin {
  #rollout: PluginRollout;
  readonly #store: PluginStore;
  readonly #log: Log;
  #source = "";
  #activeSince = "";
  #lastRejection: PluginStatus["lastRejection"] = null;
  /** One thing at a time happens to the plugin. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(rollout: PluginRollout, store: PluginStore, log: Log) {
    this.#rollout = rollout;
    this.#store = store;
    this.#log = log;
  }

  /**
   * Begins with `first`, else with the plugin loaded last, else with the shipped one: the first of
   * them that passes.
   */
  async begin(first?: StoredPlugin): Promise<void> {
    for (const candidate of [first, await this.#store.loaded()]) {
      if (!candidate) continue;
      try {
        return await this.#beginWith(candidate);
      } catch (error) {
        this.#reject(error);
      }
    }
    const shipped = await this.#store.shipped();
    await this.#beginWith(shipped).catch((error: Error) => {
      throw new Error(`the plugin ${this.#store.shippedFile}: ${error.message}`);
    });
  }

  /**
   * Rejects with ControlRefusal; the present one serves on then, unless the message says that the
   * new one does and cannot be kept.
   */
  load(wasm: Uint8Array, source: string): Promise<PluginStatus> {
    return this.#inTurn(async () => {
      const plugin = { wasm, source };
      await this.#load(plugin, false);
      await this.#store.keep(plugin).catch(({ message }: Error) => {
        throw new ControlRefusal(`it serves, but cannot be kept for the next start: ${message}`);
      });
      return this.status();
    });
  }

  /** Works without an Envoy, too: the loaded one may be why there is none. */
  reset(): Promise<PluginStatus> {
    return this.#inTurn(async () => {
      await this.#load(await this.#store.shipped(), true);
      await this.#store.forget();
      return this.status();
    });
  }

  /**
   * Begins with the present plugin in another Envoy too, has `move` make that the one that gets
   * what is new, and loads into that one from then on.
   */
  moveTo(rollout: PluginRollout, move: () => Promise<void>): Promise<void> {
    return this.#inTurn(async () => {
      const present = this.#rollout.current;
      if (!present) throw new Error("ActivePlugin.moveTo before begin");
      await rollout.begin(present.wasm);
      await move();
      this.#rollout = rollout;
    });
  }

  status(): PluginStatus {
    const code = this.#rollout.current;
    return {
      build: code?.build ?? "",
      bytes: code?.wasm.length ?? 0,
      source: this.#source,
      activeSince: this.#activeSince,
      lastRejection: this.#lastRejection,
    };
  }

  async #beginWith({ wasm, source }: StoredPlugin): Promise<void> {
    this.#note(await this.#rollout.begin(wasm), source);
  }

  async #load({ wasm, source }: StoredPlugin, isTrusted: boolean): Promise<void> {
    try {
      this.#note(await this.#rollout.load(wasm, isTrusted), source);
    } catch (error) {
      throw new ControlRefusal(this.#reject(error));
    }
  }

  #note(code: PluginCode, source: string): void {
    this.#source = source;
    this.#activeSince = new Date().toISOString();
    this.#log.info({ build: code.build, bytes: code.wasm.length, source }, "plugin in service");
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(act);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  /** Returns the reason. */
  #reject(error: unknown): string {
    const reason = (error as Error).message;
    const build = error instanceof PluginRejectedError ? error.build : "";
    this.#lastRejection = { build, reason, at: new Date().toISOString() };
    this.#log.warn({ build, reason }, "plugin refused; the present one goes on");
    return reason;
  }
}
