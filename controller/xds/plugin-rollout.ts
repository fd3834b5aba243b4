// A new plugin takes over in a running Envoy, or is rejected with the reason and the present one
// goes on. Three steps, so that no connection ever meets code that does not work:
//   1. the table endpoint gets the new code; Envoy refuses what does not load;
//   2. the new code has to answer there, and gets a table if it does not know the present one;
//   3. only then do the connection filters get it, both at once.
// Both versions share the table, and each connection stays with the code it began with.

import { setTimeout as sleep } from "node:timers/promises";
import { checkPlugin, PluginRejectedError } from "./check-plugin.ts";
import type { FlowLogOptions } from "./flow-log.ts";
import { connectionFilters, type PluginCode, tableFilter } from "./resources.ts";
import type { XdsServer } from "./server.ts";
import { FILTER_TYPE } from "./type-urls.ts";

export interface TableVersion {
  /** 0 while there is no whole table. */
  version: number;
  /** Build of the code that answered. */
  build: string;
  wireVersion: number;
}

export interface RolloutOptions {
  xds: Pick<XdsServer, "set">;
  /** Asks the table endpoint. */
  table: { version(): Promise<TableVersion> };
  /** Pushes the whole table; resolves once it is applied. */
  pushSnapshot: () => Promise<unknown>;
  /** What all plugins are told (PluginCode.options). */
  options?: readonly string[];
  /** What of connections is logged; nothing when absent. */
  flowLog?: FlowLogOptions | undefined;
  /** How long the new code may take to answer; 5 s when absent. */
  answerTimeoutMs?: number;
}

const ANSWER_TIMEOUT_MS = 5_000;
const ASK_INTERVAL_MS = 25;

export class PluginRollout {
  readonly #options: RolloutOptions;
  #current: PluginCode | undefined;
  #isServing = false;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: RolloutOptions) {
    this.#options = options;
  }

  /** The plugin that serves, or will once an Envoy connects; undefined before `begin`. */
  get current(): PluginCode | undefined {
    return this.#current;
  }

  /**
   * The plugin to begin with, before Envoys connect: they get it for the table endpoint. Those that
   * live already go on with the connection filter they have until `serve`. Throws
   * PluginRejectedError.
   */
  begin(wasm: Uint8Array): Promise<PluginCode> {
    return this.#inTurn(async () => {
      const code = await this.#check(wasm);
      await this.#publish(code, undefined);
      this.#current = code;
      return code;
    });
  }

  /**
   * The table is there in the form that the present plugin reads: it may have connections. Does
   * nothing once Envoy has taken that.
   */
  serve(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isServing || !this.#current) return;
      this.#isServing = true;
      try {
        await this.#publish(this.#current, this.#current);
      } catch (error) {
        this.#isServing = false;
        throw error;
      }
    });
  }

  /**
   * Puts a new plugin into service; resolves when new connections meet it. The present one again is
   * fine and does nothing. Throws PluginRejectedError, or what the table or Envoy failed with; in
   * either case the present one serves. Without an Envoy nothing is proven, and a plugin is taken
   * only if `isTrusted`.
   */
  load(wasm: Uint8Array, isTrusted = false): Promise<PluginCode> {
    return this.#inTurn(async () => {
      const present = this.#current;
      if (!present) throw new Error("PluginRollout.load before begin");
      const code = await this.#check(wasm);
      if (code.build !== present.build) await this.#replace(present, code, isTrusted);
      this.#current = code;
      return code;
    });
  }

  async #check(wasm: Uint8Array): Promise<PluginCode> {
    const { options } = this.#options;
    return { ...(await checkPlugin(wasm)), ...(options && { options }) };
  }

  async #replace(present: PluginCode, code: PluginCode, isTrusted: boolean): Promise<void> {
    try {
      const { envoys } = await this.#publish(code, present);
      if (envoys > 0) await this.#prove(code);
      else if (!isTrusted) throw new Error("no Envoy is connected that could try it");
      await this.#publish(code, code);
    } catch (error) {
      const reason = (error as Error).message;
      throw new PluginRejectedError(code.build, reason + (await this.#goBack(present)));
    }
  }

  /** `connection` counts once the plugin serves. */
  #publish(table: PluginCode, connection: PluginCode | undefined): Promise<{ envoys: number }> {
    const { flowLog } = this.#options;
    const serving = connection && this.#isServing ? connectionFilters(connection, flowLog) : [];
    return this.#options.xds.set(FILTER_TYPE, [tableFilter(table), ...serving]);
  }

  async #prove(code: PluginCode): Promise<void> {
    const { version } = await this.#answer(code);
    if (version !== 0) return;
    await this.#options.pushSnapshot();
    const after = await this.#answer(code);
    if (after.version === 0) throw new Error("it took a whole table and has none");
  }

  /** The new code's first answer; until it comes, the old code may answer, or nobody. */
  async #answer({ build }: PluginCode): Promise<TableVersion> {
    const timeoutMs = this.#options.answerTimeoutMs ?? ANSWER_TIMEOUT_MS;
    const deadline = performance.now() + timeoutMs;
    let last = "none";
    for (let left = timeoutMs; left > 0; left = deadline - performance.now()) {
      try {
        const answer = await within(left, this.#options.table.version());
        if (answer.build === build && Number.isSafeInteger(answer.version)) return answer;
        last = JSON.stringify(answer);
      } catch (error) {
        last = (error as Error).message;
      }
      await sleep(ASK_INTERVAL_MS);
    }
    throw new Error(
      `it loads, but does not answer on the table's socket as ${build} within ${timeoutMs} ms; ` +
        `the last answer: ${last}`,
    );
  }

  /** Returns what to add to the reason when that fails too. */
  async #goBack(present: PluginCode): Promise<string> {
    try {
      await this.#publish(present, present);
      return "";
    } catch (error) {
      return `; and going back to ${present.build} failed: ${(error as Error).message}`;
    }
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(act);
    this.#queue = turn.catch(() => {});
    return turn;
  }
}

/** A plugin that never answers must not hold us up, however patient the client is. */
function within<T>(timeoutMs: number, answer: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const late = sleep(timeoutMs, undefined, { signal: timer.signal }).then(() => {
    throw new Error("none");
  });
  late.catch(() => {});
  return Promise.race([answer, late]).finally(() => timer.abort());
}
