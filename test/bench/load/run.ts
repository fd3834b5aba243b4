// The load programs, run in network namespaces: a backend that answers, and a client that measures.

import type { Namespace } from "../../namespaces/namespace.ts";
import { firstLine } from "../first-line.ts";
import type { LoadPrograms } from "./programs.ts";

interface Target {
  address: string;
  port: number;
}

export interface Load {
  connections: number;
  /** Connections at once. */
  concurrency: number;
  /** Requests one after the other on each connection. */
  requestsEach: number;
}

/** What client.c prints; its head says what each figure is. */
interface LoadResult {
  seconds: number;
  connections: number;
  requests: number;
  failures: number;
  error: string;
  latencyUs: { p50: number; p95: number; p99: number; max: number };
}

/** What bulk.c prints. */
interface BulkResult {
  seconds: number;
  bytes: number;
  failures: number;
  error: string;
  cpuUs: number;
}

/** What paced.c prints. */
interface PacedResult {
  arrived: number;
  answered: number;
  error: string;
  latencyUs: { p50: number; p90: number; p99: number; max: number };
}

const MOST_SECONDS = 60;

/** Starts a backend; resolves with its pid when it listens. It ends with its namespace. */
export async function startBackend(
  programs: LoadPrograms,
  where: Namespace,
  port: number,
): Promise<number> {
  const child = where.spawn(programs.server, [String(port)]);
  await firstLine(child, `the backend in ${where.label}`);
  return child.pid as number;
}

/**
 * Runs a load to its end, or for `seconds`: what is not done by then has failed. Failed connections
 * are in the result; it throws only when the client did not run.
 */
export async function runLoad(
  programs: LoadPrograms,
  from: Namespace,
  to: Target,
  load: Load,
  seconds = MOST_SECONDS,
): Promise<LoadResult> {
  const { connections, concurrency, requestsEach } = load;
  const args = [connections, concurrency, requestsEach, seconds];
  return (await run(programs.client, from, to, args, seconds + 10)) as LoadResult;
}

/** Moves bytes without end over connections for `seconds`: "up" from here, "down" to here. */
export async function runBulk(
  programs: LoadPrograms,
  from: Namespace,
  to: Target,
  load: { connections: number; direction: "up" | "down"; seconds: number },
): Promise<BulkResult> {
  const { connections, direction, seconds } = load;
  const args = [connections, direction === "up" ? 1 : 0, seconds];
  return (await run(programs.bulk, from, to, args, seconds + 60)) as BulkResult;
}

/** Requests that arrive at a rate, whether earlier ones were answered or not. */
export async function runPaced(
  programs: LoadPrograms,
  from: Namespace,
  to: Target,
  load: { connections: number; perSecond: number; seconds: number },
): Promise<PacedResult> {
  const { connections, perSecond, seconds } = load;
  const args = [connections, perSecond, seconds];
  return (await run(programs.paced, from, to, args, seconds + 30)) as PacedResult;
}

/** What the program prints, which takes an address, a port, and numbers. */
async function run(
  program: string,
  from: Namespace,
  to: Target,
  numbers: readonly number[],
  timeoutSeconds: number,
): Promise<unknown> {
  const args = [to.address, ...[to.port, ...numbers].map(String)];
  const { stdout } = await from.exec(program, args, { timeoutMs: timeoutSeconds * 1_000 });
  return JSON.parse(stdout);
}
