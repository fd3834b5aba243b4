// Waiting for a condition of the world outside.

import { setTimeout as delay } from "node:timers/promises";

const DEADLINE_MS = 20_000;
const BETWEEN_MS = 20;

/** Asks again and again until the answer is true; throws, naming `what`, after 20 s without. */
export async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited ${DEADLINE_MS / 1_000} s for: ${what}`);
    await delay(BETWEEN_MS);
  }
}
