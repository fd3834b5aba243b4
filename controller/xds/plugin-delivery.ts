// A new plugin takes over in a running Envoy, or is rejected with the reason, and the present one
// stays. Three steps, so that no connection ever runs code that does not work:
//   1. the table endpoint gets the new code; Envoy refuses what does not load;
//   2. the new code must answer there, and gets a table if it cannot read the present one;
//   3. only then the connection filters get it, both at once.
// Both versions share the table, and each connection keeps the code that it started with.

import { setTimeout as sleep } from "node:timers/promises";
import { checkPlugin, PluginRejectedError } from "./check-plugin.ts";
import type { FlowLogOptions } from "./flow-log.ts";
import { connectionFilters, type PluginCode, tableFilter } from "./resources.ts";
import type { XdsServer } from "./server.ts";
import type { TcpOptions } from "./tcp-options.ts";
import { FILTER_TYPE } from "./type-urls.ts";

export interface TableVersion {
  /** 0 while there is no complete table. */
  version: number;
  /** Build of the code that answered. */
  build: string;
  wireVersion: number;
}

interface DeliveryOptions {
  xds: Pick<XdsServer, "set">;
  /** Asks the table endpoint. */
  table: { version(): Promise<TableVersion> };
  /** Pushes the whole table; resolves once it is applied. */
  pushSnapshot: () => Promise<unknown>;
  /** Options for all plugins (PluginCode.options). */
  options?: readonly string[];
  tcp: TcpOptions;
  /** Which connections to log; none when absent. */
  flowLog?: FlowLogOptions | undefined;
  /** The longest time for the new code's answer; 5 s when absent. */
  answerTimeoutMs?: number;
}

const ANSWER_TIMEOUT_MS = 5_000;
const ASK_INTERVAL_MS = 25;

export class PluginDelivery {
  readonly #options: DeliveryOptions;
  #current: PluginCode | undefined;
  /** The plugin with functions; undefined where the listeners have no chains for it. */
  #functions: PluginCode | undefined;
  #isServing = false;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  /** The plugin that serves, or will serve once an Envoy connects; undefined before `begin`. */
  get current(): PluginCode | undefined {
    return this.#current;
  }

  /**
   * Sets the first plugin, before Envoys connect: they get it for the table endpoint. Running
   * Envoys keep the connection filter that they have until `serve`. Throws PluginRejectedError.
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
   * The table has the form that the present plugin reads, so the plugin may get connections. Does
   * nothing once Envoy has accepted that.
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
   * Puts a new plugin into service; resolves when new connections run it. Does nothing for the
   * present one. Throws PluginRejectedError, or the error of the table or of Envoy; in either case
   * the present one keeps serving. Without an Envoy nothing is proven, so it accepts a plugin only
   * if `isTrusted`.
   */
  load(wasm: Uint8Array, isTrusted = false): Promise<PluginCode> {
    return this.#inTurn(async () => {
      const present = this.#current;
      if (!present) throw new Error("PluginDelivery.load before begin");
      const code = await this.#check(wasm);
      if (code.build !== present.build) await this.#replace(present, code, isTrusted);
      this.#current = code;
      return code;
    });
  }

  get functions(): PluginCode | undefined {
    return this.#functions;
  }

  /** Sets the plugin with functions to begin with; before `begin`. */
  beginFunctions(functions: PluginCode | undefined): void {
    this.#functions = functions;
  }

  /**
   * Puts other functions into service: the plugin with all of them. Resolves once new connections
   * run it, or an Envoy that connects will; does nothing for the present one. Throws
   * PluginRejectedError, and the present one keeps serving.
   */
  loadFunctions(wasm: Uint8Array): Promise<PluginCode> {
    return this.#inTurn(async () => {
      const [present, code] = [this.#functions, await this.#check(wasm)];
      if (present?.build === code.build || !this.#current) return code;
      this.#functions = code;
      try {
        await this.#publish(this.#current, this.#current);
      } catch (error) {
        this.#functions = present;
        const back = await this.#goBack(this.#current);
        throw new PluginRejectedError(code.build, (error as Error).message + back);
      }
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
      else if (!isTrusted) throw new Error("no Envoy is connected to try it");
      await this.#publish(code, code);
    } catch (error) {
      const reason = (error as Error).message;
      throw new PluginRejectedError(code.build, reason + (await this.#goBack(present)));
    }
  }

  /** `connection` takes effect once the plugin serves. */
  #publish(table: PluginCode, connection: PluginCode | undefined): Promise<{ envoys: number }> {
    const { tcp, flowLog } = this.#options;
    const isServing = connection && this.#isServing;
    const serving = isServing ? connectionFilters(connection, tcp, flowLog, this.#functions) : [];
    return this.#options.xds.set(FILTER_TYPE, [tableFilter(table), ...serving]);
  }

  async #prove(code: PluginCode): Promise<void> {
    const { version } = await this.#answer(code);
    if (version !== 0) return;
    await this.#options.pushSnapshot();
    const after = await this.#answer(code);
    if (after.version === 0) throw new Error("it acknowledged the whole table, but has none");
  }

  /** Returns the new code's first answer; before it, the old code may answer, or none. */
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
      `it loads, but does not answer on the table's socket as ${build} within ${timeoutMs} ` +
        `ms; last answer: ${last}`,
    );
  }

  /** Goes back to the present plugin. Returns what to add to the reason when that fails too. */
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

/** A plugin that never answers must not block this, however long the client waits. */
function within<T>(timeoutMs: number, answer: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const late = sleep(timeoutMs, undefined, { signal: timer.signal }).then(() => {
    throw new Error("none");
  });
  late.catch(() => {});
  return Promise.race([answer, late]).finally(() => timer.abort());
}
