// A plugin's bytes → the verdict on each rule, in order. A rule whose plugin does not return within
// the limit is broken, and the next one gets a thread of its own.

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { RULES } from "./rules.ts";
import type { Verdict } from "./verdict.ts";

const THREAD = new URL("./judge-thread.ts", import.meta.url);

/** The verdicts on RULES, by index, as they come. */
export async function* judge(wasm: Uint8Array, limitMs: number): AsyncGenerator<Verdict> {
  const court = new Court(wasm, limitMs);
  let hasGround = true;
  try {
    for (const [index, { isGround }] of RULES.entries()) {
      const verdict: Verdict = hasGround
        ? await court.judge(index)
        : { outcome: "unjudged", notes: [] };
      if (isGround && verdict.outcome === "broken") hasGround = false;
      yield verdict;
    }
  } finally {
    await court.close();
  }
}

class Court {
  readonly #wasm: Uint8Array;
  readonly #limitMs: number;
  #thread: Worker | undefined;

  constructor(wasm: Uint8Array, limitMs: number) {
    this.#wasm = wasm;
    this.#limitMs = limitMs;
  }

  async judge(index: number): Promise<Verdict> {
    this.#thread ??= new Worker(THREAD, { workerData: this.#wasm });
    const timer = new AbortController();
    const late = sleep(this.#limitMs, undefined, { signal: timer.signal }).catch(() => undefined);
    // Rejects where the thread ended: out of memory.
    const answer = once(this.#thread, "message") as Promise<[Verdict]>;
    this.#thread.postMessage(index);
    try {
      const [verdict] = (await Promise.race([answer, late])) ?? [];
      if (verdict) return verdict;
      await this.close();
      return broken(`it did not return within ${this.#limitMs / 1000} s`);
    } catch (error) {
      await this.close();
      return broken((error as Error).message);
    } finally {
      timer.abort();
      answer.catch(() => undefined);
    }
  }

  async close(): Promise<void> {
    await this.#thread?.terminate();
    this.#thread = undefined;
  }
}

function broken(detail: string): Verdict {
  return { outcome: "broken", detail, notes: [] };
}
