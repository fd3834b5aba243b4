// Errors when this process, or the machine, has no descriptors left. They say nothing about the
// requested file, program or socket: existing files must not count as gone, nor running processes
// as dead.

import { closeSync, openSync } from "node:fs";

const CODES = ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"];

/**
 * Reports whether an error means that descriptors or memory are used up; false for all other
 * values.
 */
export function isShortage(error: unknown): boolean {
  return CODES.includes((error as NodeJS.ErrnoException).code ?? "");
}

/** For `catch`: returns `fallback` for what is not there; rethrows a shortage. */
export function unlessShort<T>(fallback: T): (error: unknown) => T {
  return (error) => {
    if (isShortage(error)) throw error;
    return fallback;
  };
}

/** Three socket pairs and a pipe take eight; other threads may take some meanwhile. */
const FOR_A_PROGRAM = 12;

/**
 * Call it just before starting a program with pipes: returns why that is impossible, or undefined.
 * When only the last descriptor is missing, Node 24 leaks three others with each try.
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
