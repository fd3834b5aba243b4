// The load programs, run in network namespaces: a backend that answers, and a client that measures.

import type { Namespace } from "../../namespaces/namespace.ts";
import { firstLine } from "../first-line.ts";
import type { LoadPrograms } from "./programs.ts";

export interface Load {
  connections: number;
  /** Connections at once. */
  concurrency: number;
  /** Requests one after the other on each connection. */
  requestsEach: number;
}

/** What client.c prints; its head says what each figure is. */
export interface LoadResult {
  seconds: number;
  connections: number;
  requests: number;
  failures: number;
  error: string;
  latencyUs: { p50: number; p95: number; p99: number; max: number };
}

const MOST_SECONDS = 60;

/** Starts a backend; resolves when it listens. It ends with its namespace. */
export async function startBackend(
  programs: LoadPrograms,
  where: Namespace,
  port: number,
): Promise<void> {
  const child = where.spawn(programs.server, [String(port)]);
  await firstLine(child, `the backend in ${where.label}`);
}

/**
 * Runs a load to its end, or for `seconds`: what is not done by then has failed. Failed connections
 * are in the result; it throws only when the client did not run.
 */
export async function runLoad(
  programs: LoadPrograms,
  from: Namespace,
  to: { address: string; port: number },
  load: Load,
  seconds = MOST_SECONDS,
): Promise<LoadResult> {
  const { connections, concurrency, requestsEach } = load;
  const numbers = [to.port, connections, concurrency, requestsEach, seconds];
  const { stdout } = await from.exec(programs.client, [to.address, ...numbers.map(String)], {
    timeoutMs: (seconds + 10) * 1_000,
  });
  return JSON.parse(stdout) as LoadResult;
}
