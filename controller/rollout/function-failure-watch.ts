// What functions fail with, from Envoy's table endpoint → what failed lately. The counts only grow
// while an Envoy lives, so this compares two looks; what was there at the first is of an earlier
// controller's time.

import type { Clock } from "../system/clock.ts";
import type { FunctionFailure } from "../wire/function-failures.ts";

const LOOK_INTERVAL_MS = 5_000;
/** A function that has failed is reported for so long after its last failure. */
const QUIET_MS = 60_000;

interface FailureWatchParts {
  clock: Clock;
  /** Asks the Envoy that gets new connections; rejects when it does not answer. */
  read: () => Promise<readonly FunctionFailure[]>;
  /** Called after each look with what failed lately. */
  failing: (failures: readonly FunctionFailure[]) => void;
}

export class FunctionFailureWatch {
  readonly #parts: FailureWatchParts;
  #before: ReadonlyMap<string, number> | undefined;
  readonly #failing = new Map<string, { failure: FunctionFailure; at: number }>();
  #cancel = () => {};

  constructor(parts: FailureWatchParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#cancel = this.#parts.clock.after(LOOK_INTERVAL_MS, async () => {
      await this.look();
      this.start();
    });
  }

  stop(): void {
    this.#cancel();
  }

  /** Looks once. */
  async look(): Promise<void> {
    const { clock, read, failing } = this.#parts;
    const failures = await read().catch(() => undefined);
    if (!failures) return;
    const now = clock.now();
    for (const failure of failures) {
      const before = this.#before?.get(keyOf(failure)) ?? 0;
      if (this.#before && failure.count !== before) {
        this.#failing.set(keyOf(failure), { failure, at: now });
      }
    }
    this.#before = new Map(failures.map((failure) => [keyOf(failure), failure.count]));
    for (const [key, { at }] of this.#failing) if (now - at > QUIET_MS) this.#failing.delete(key);
    failing([...this.#failing.values()].map(({ failure }) => failure));
  }
}

function keyOf({ slot, answer }: FunctionFailure): string {
  return `${slot} ${answer}`;
}
