// What a source reads before it may be used → the sink, in the same order, as soon as it may. So
// the lists arrive while the other parts of the controller still start.

import type { Kind, KindTypes, ObjectKey } from "../model/types.ts";
import type { WatchSink } from "./list-watch-intake.ts";

export class HeldSink implements WatchSink {
  readonly #sink: WatchSink;
  /** Calls that wait; undefined once it is open. */
  #held: (() => void)[] | undefined = [];

  constructor(sink: WatchSink) {
    this.#sink = sink;
  }

  /** Passes on what waits, and from now on every call at once. */
  open(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const call of held) call();
  }

  replaceAll<K extends Kind>(kind: K, objects: readonly KindTypes[K][]): void {
    this.#call(() => this.#sink.replaceAll(kind, objects));
  }

  upsert<K extends Kind>(kind: K, object: KindTypes[K]): void {
    this.#call(() => this.#sink.upsert(kind, object));
  }

  remove(kind: Kind, key: ObjectKey): void {
    this.#call(() => this.#sink.remove(kind, key));
  }

  #call(call: () => void): void {
    if (this.#held) this.#held.push(call);
    else call();
  }
}
