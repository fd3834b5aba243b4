// How long a program that prints changes of the kernel stays down before it is started again. Pure.

const MIN_MS = 200;
const MAX_MS = 30_000;
/** Trying is cheap while there are no descriptors, and the lack may end at any time. */
const SHORTAGE_MS = 1_000;

interface Ending {
  /** Milliseconds for which it has listened; undefined: it never did. */
  listenedMs: number | undefined;
  /** It could not be started for lack of descriptors or memory. */
  isShortage: boolean;
}

/**
 * Doubles with each ending, up to 30 s; starts again from 200 ms after a program that listened for
 * longer than the last delay was. So one that others end now and then is back soon, and one that
 * cannot run does not keep the node busy. A lack of descriptors says nothing about the program.
 */
export class RestartDelay {
  #last = 0;

  /** Returns milliseconds from this ending to the next start. */
  after({ listenedMs, isShortage }: Ending): number {
    if (isShortage) return SHORTAGE_MS;
    const isSteady = listenedMs !== undefined && listenedMs > this.#last;
    this.#last = isSteady ? MIN_MS : Math.min(MAX_MS, Math.max(MIN_MS, 2 * this.#last));
    return this.#last;
  }
}
