// The plugin that serves, and its status for operators: which to start with, loading another, going
// back.

import type { Log } from "../observe/log.ts";
import { Refusal } from "../system/refusal.ts";
import { checkPlugin, PluginRejectedError } from "../xds/check-plugin.ts";
import type { PluginDelivery } from "../xds/plugin-delivery.ts";
import type { PluginCode } from "../xds/resources.ts";
import type { PluginStatus } from "./plugin-status.ts";
import type { PluginStore, StoredPlugin } from "./plugin-store.ts";

export class ActivePlugin {
  #delivery: PluginDelivery;
  readonly #store: PluginStore;
  readonly #log: Log;
  #source = "";
  #activeSince = "";
  #lastRejection: PluginStatus["lastRejection"] = null;
  /** Operations on the plugin run one at a time. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(delivery: PluginDelivery, store: PluginStore, log: Log) {
    this.#delivery = delivery;
    this.#store = store;
    this.#log = log;
  }

  /**
   * Starts with `first`, else with the plugin loaded last, else with the shipped one: the first of
   * them that passes the checks. `functions`: the plugin with functions to start with.
   */
  async begin(first?: StoredPlugin, functions?: Uint8Array): Promise<void> {
    this.#delivery.beginFunctions(functions && (await checkPlugin(functions)));
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
   * Rejects with Refusal; the present one then keeps serving, unless the message says that the new
   * one serves but cannot be stored.
   */
  load(wasm: Uint8Array, source: string): Promise<PluginStatus> {
    return this.#inTurn(async () => {
      const plugin = { wasm, source };
      await this.#load(plugin, false);
      await this.#store.keep(plugin).catch(({ message }: Error) => {
        throw new Refusal(`it is in service, but cannot be saved for the next start: ${message}`);
      });
      return this.status();
    });
  }

  /** Works without an Envoy too: the loaded plugin may be why there is none. */
  reset(): Promise<PluginStatus> {
    return this.#inTurn(async () => {
      await this.#load(await this.#store.shipped(), true);
      await this.#store.forget();
      return this.status();
    });
  }

  /**
   * Starts the present plugin in another Envoy too, calls `move` to make that Envoy the active one,
   * and loads into that one from then on.
   */
  moveTo(delivery: PluginDelivery, move: () => Promise<void>): Promise<void> {
    return this.#inTurn(async () => {
      const present = this.#delivery.current;
      if (!present) throw new Error("ActivePlugin.moveTo before begin");
      delivery.beginFunctions(this.#delivery.functions);
      await delivery.begin(present.wasm);
      await move();
      this.#delivery = delivery;
    });
  }

  /** As PluginDelivery.loadFunctions. */
  loadFunctions(wasm: Uint8Array): Promise<PluginCode> {
    return this.#inTurn(() => this.#delivery.loadFunctions(wasm));
  }

  status(): PluginStatus {
    const code = this.#delivery.current;
    return {
      build: code?.build ?? "",
      bytes: code?.wasm.length ?? 0,
      source: this.#source,
      activeSince: this.#activeSince,
      lastRejection: this.#lastRejection,
    };
  }

  async #beginWith({ wasm, source }: StoredPlugin): Promise<void> {
    this.#note(await this.#delivery.begin(wasm), source);
  }

  async #load({ wasm, source }: StoredPlugin, isTrusted: boolean): Promise<void> {
    try {
      this.#note(await this.#delivery.load(wasm, isTrusted), source);
    } catch (error) {
      throw new Refusal(this.#reject(error));
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
    this.#log.warn({ build, reason }, "plugin rejected; the current one stays in service");
    return reason;
  }
}
