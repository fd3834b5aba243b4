// What the system says when this process has no descriptor left, or the machine none. It says
// nothing of the file, program or socket that was asked for: what is there must not be taken for
// gone, nor what lives for dead.

import { closeSync, openSync } from "node:fs";

const CODES = ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"];

export function isShortage(error: unknown): boolean {
  return CODES.includes((error as NodeJS.ErrnoException).code ?? "");
}

/** For `catch`: `fallback` in the place of what is not there; throws on when we are short. */
export function unlessShort<T>(fallback: T): (error: unknown) => T {
  return (error) => {
    if (isShortage(error)) throw error;
    return fallback;
  };
}

/** Three pairs of sockets and a pipe are eight; other threads may take some meanwhile. */
const FOR_A_PROGRAM = 12;

/**
 * To be asked just before a program is started with pipes: why it cannot be, or undefined. Where
 * the last descriptor for it is missing, Node 24 keeps three others for ever, with each try.
 */
export function shortageForProgram(): NodeJS.ErrnoException | undefined {
  const opened: number[] = [];
  try {
    while (opened.length < FOR_A_PROGRAM) opened.push(openSync("/dev/null", "r"));
    return undefined;
  } catch (error) {
    return error as NodeJS.ErrnoException;
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}
