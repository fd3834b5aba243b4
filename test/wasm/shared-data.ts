// Shared data as proxy-wasm-cpp-host has it (shared_data.cc): bytes by key for all VMs of one
// vm_id, each with a compare-and-set number that changes with every write. Lives as long as the
// test keeps it, as it lives in Envoy while any VM of the vm_id does.

import { STATUS } from "./status.ts";

interface SharedValue {
  value: Buffer;
  cas: number;
}

export class SharedData {
  readonly #values = new Map<string, SharedValue>();
  #lastCas = 0;
  /** Called before each read with its key: where a test lets another worker write. */
  beforeRead: ((key: Buffer) => void) | undefined;

  get(key: Buffer): SharedValue | undefined {
    this.beforeRead?.(key);
    return this.#values.get(key.toString("latin1"));
  }

  /** Checks the number only of a key that exists, and only when it is not 0. */
  set(key: Buffer, value: Buffer, cas: number): number {
    const name = key.toString("latin1");
    const present = this.#values.get(name);
    if (present && cas !== 0 && cas !== present.cas) return STATUS.casMismatch;
    this.#values.set(name, { value: Buffer.from(value), cas: ++this.#lastCas });
    return STATUS.ok;
  }

  /** All that is there, in a form that compares. */
  content(): Map<string, string> {
    const entries = [...this.#values].map(
      ([key, { value }]) =>
        [Buffer.from(key, "latin1").toString("hex"), value.toString("hex")] as const,
    );
    return new Map(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  get bytes(): number {
    let sum = 0;
    for (const { value } of this.#values.values()) sum += value.length;
    return sum;
  }
}
