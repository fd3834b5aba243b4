// Waiting for a condition of the world outside.

import { setTimeout as delay } from "node:timers/promises";

const BETWEEN_MS = 20;

/** Asks again and again until the answer is true; throws, naming `what`, when the time is over. */
export async function until(
  what: string,
  condition: () => Promise<boolean>,
  seconds = 20,
): Promise<void> {
  const deadline = Date.now() + seconds * 1_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited ${seconds} s for: ${what}`);
    await delay(BETWEEN_MS);
  }
}
