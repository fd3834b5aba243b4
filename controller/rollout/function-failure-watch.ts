// What functions fail with, from Envoy's table endpoint → what failed lately. The counts only grow
// while an Envoy lives, so this compares two looks; what was there at the first is of an earlier
// controller's time.

import type { Clock } from "../system/clock.ts";
import { repeat } from "../system/repeat.ts";
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
  #stop = () => {};

  constructor(parts: FailureWatchParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#stop = repeat(this.#parts.clock, LOOK_INTERVAL_MS, (ended) => this.look(ended));
  }

  stop(): void {
    this.#stop();
  }

  /** Looks once. */
  async look(ended?: AbortSignal): Promise<void> {
    const { clock, read, failing } = this.#parts;
    const failures = await read().catch(() => undefined);
    if (!failures || ended?.aborted) return;
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
