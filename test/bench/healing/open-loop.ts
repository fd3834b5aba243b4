// open-loop.c in a namespace: connections at a rate → what became of each.

import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Namespace } from "../../namespaces/namespace.ts";
import { nowMs } from "../latency/client.ts";

export const OUTCOMES = [
  "answered",
  "refused",
  "reset",
  "empty",
  "unreachable",
  "timeout",
] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** One connection; milliseconds. */
export interface Dialled {
  /** When it was due, since the first one was. */
  startMs: number;
  /** From then until it was answered, or had failed. */
  waitedMs: number;
  outcome: Outcome;
}

export interface OpenLoad {
  address: string;
  port: number;
  /** Connections a second. */
  rate: number;
  seconds: number;
  /** After which a client gives up. */
  patienceMs: number;
  /** Source addresses, in turn. */
  sources: readonly string[];
}

interface RunningLoad {
  /** When the first connection is due, on the clock of nowMs(). */
  begunMs: number;
  /** Rejects when the client could not make them all. */
  dialled: Promise<Dialled[]>;
}

/** Resolves when the client is about to begin; `program` is the compiled open-loop.c. */
export async function beginLoad(
  program: string,
  from: Namespace,
  { address, port, rate, seconds, patienceMs, sources }: OpenLoad,
): Promise<RunningLoad> {
  const child = from.spawn(program, [
    address,
    ...[port, rate, seconds, patienceMs].map(String),
    ...sources,
  ]);
  let complaint = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    complaint += text;
  });
  const ended = once(child, "close").then(([code]) => {
    if (code !== 0) throw new Error(`open-loop ended with ${code}: ${complaint.trim()}`);
  });
  const { promise, resolve } = Promise.withResolvers<number>();
  const read = async () => {
    const dialled: Dialled[] = [];
    if (child.stdout === null) throw new Error("open-loop has no standard output");
    for await (const line of createInterface({ input: child.stdout })) {
      const [, begun] = /^begun (\d+)$/.exec(line) ?? [];
      if (begun === undefined) dialled.push(dialledFrom(line));
      else resolve(Number(begun) / 1e6);
    }
    await ended;
    return dialled;
  };
  const dialled = read();
  const begunMs = await Promise.race([promise, dialled.then(() => nowMs())]);
  return { begunMs, dialled };
}

/** "1000 317 answered", in µs. */
export function dialledFrom(line: string): Dialled {
  const [start, waited, text] = line.split(" ");
  const outcome = OUTCOMES.find((each) => each === text);
  const [startMs, waitedMs] = [Number(start) / 1_000, Number(waited) / 1_000];
  if (outcome === undefined || !Number.isFinite(startMs + waitedMs)) {
    throw new Error(`open-loop printed "${line}"`);
  }
  return { startMs, waitedMs, outcome };
}
