// Functions' modules in the linked host module, watched: every byte of the host's memory outside
// the state is compared after each pick, and a trap is an error.

import { HOST_IMPORTS, hostModule } from "../../controller/functions/host-module.ts";
import { API } from "../../controller/linker/api.ts";
import type { FunctionModule } from "../../controller/linker/check-function.ts";
import { type Linked, link } from "../../controller/linker/link.ts";
import { I64 } from "../../controller/linker/opcodes.ts";
import { type WasmModule, WebAssembly } from "../wasm/webassembly.ts";

export const STATE_ADDRESS = 1_024;
const STATE_BYTES = 1_024;
const PATTERN = 0xa5;
const HOST = hostModule();

/** What happened in a pick; `answer` as in outcome.ts. */
interface Picked {
  answer: number;
  fuelLeft: number;
}

/** Answers of the API, by name, in place of 0. */
export type ApiAnswers = Readonly<Record<string, (...values: never[]) => number | bigint>>;

interface PickOptions {
  slot?: number;
  count?: number;
  fuel?: number;
}

export class StrictHost {
  readonly linked: Linked;
  readonly #exports: Record<string, (...values: number[]) => number>;
  readonly #memory: Uint8Array;
  readonly #expected: Uint8Array;

  private constructor(linked: Linked, exports: Record<string, unknown>) {
    this.linked = linked;
    this.#exports = exports as Record<string, (...values: number[]) => number>;
    const { buffer } = exports.memory as { buffer: ArrayBuffer };
    this.#memory = new Uint8Array(buffer).fill(PATTERN);
    this.state.fill(0);
    this.#expected = this.#memory.slice();
  }

  /** Links and starts; throws if V8 does not take what the linker made. */
  static async of(
    functions: readonly (FunctionModule | Uint8Array)[],
    answers: ApiAnswers = {},
  ): Promise<StrictHost> {
    const modules = functions.map((each, index) =>
      each instanceof Uint8Array ? { name: `shop/f${index}`, wasm: each } : each,
    );
    const linked = link(HOST, modules);
    return StrictHost.start(linked, await WebAssembly.compile(linked.wasm), answers);
  }

  /** Starts a compiled module. */
  static async start(
    linked: Linked,
    module: WasmModule,
    answers: ApiAnswers = {},
  ): Promise<StrictHost> {
    const api = Object.fromEntries(
      [...API].map(([name, { results }]) => [
        name,
        answers[name] ?? (() => (results[0] === I64 ? 0n : 0)),
      ]),
    );
    const { exports } = await WebAssembly.instantiate(module, {
      [HOST_IMPORTS]: api as Record<string, () => number>,
    });
    return new StrictHost(linked, exports);
  }

  /** The 1,024 bytes of the state. */
  get state(): Uint8Array {
    return this.#memory.subarray(STATE_ADDRESS, STATE_ADDRESS + STATE_BYTES);
  }

  /** Picks once. Throws when the module traps, or changed a byte that is not the function's. */
  pick({ slot = 0, count = 10, fuel = 20_000 }: PickOptions = {}): Picked {
    const answer = this.#exports.pick?.(slot, count, STATE_ADDRESS, fuel) ?? Number.NaN;
    this.#expected.set(this.state, STATE_ADDRESS);
    if (Buffer.compare(this.#memory, this.#expected) !== 0) {
      throw new Error("the function changed the host's memory");
    }
    return { answer, fuelLeft: this.#exports.fuel_left?.() ?? Number.NaN };
  }

  /** Picks once; the failure as operators read it, or undefined. */
  failure(options: PickOptions = {}): string | undefined {
    const slot = this.linked.slots[options.slot ?? 0];
    if (!slot || slot.refused) throw new Error(`no function: ${slot?.refused?.reason}`);
    return slot.failureText(this.pick(options).answer);
  }
}
