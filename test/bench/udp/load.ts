// datagrams.c, run in network namespaces: backends that answer, and a client that measures.

import { join } from "node:path";
import type { Namespace } from "../../namespaces/namespace.ts";
import { firstLine } from "../first-line.ts";
import { compiled } from "../load/programs.ts";

interface Queries {
  count: number;
  /** At once. */
  concurrency: number;
  /** Each from a port of its own, as a resolver asks; otherwise all from a few. */
  newPorts: boolean;
}

/** What datagrams.c prints; its head says what each figure is. */
interface QueryResult {
  seconds: number;
  answered: number;
  lost: number;
  cpuUs: number;
  latencyUs: { p50: number; p99: number };
}

const MOST_SECONDS = 30;

/** The program. Throws, saying what to install, when there is no C compiler. */
export function datagramProgram(): string {
  const [program = ""] = compiled([join(import.meta.dirname, "datagrams.c")]);
  return program;
}

/** Starts a backend; returns its pid once it answers. It ends with its namespace. */
export async function startBackend(program: string, pod: Namespace, port: number): Promise<number> {
  const child = pod.spawn(program, ["serve", String(port)]);
  await firstLine(child, `the backend in ${pod.label}`);
  if (child.pid === undefined) throw new Error("the backend has no pid");
  return child.pid;
}

export async function runQueries(
  program: string,
  from: Namespace,
  to: { address: string; port: number },
  { count, concurrency, newPorts }: Queries,
): Promise<QueryResult> {
  const numbers = [to.port, count, concurrency, newPorts ? 1 : 0, MOST_SECONDS].map(String);
  const options = { timeoutMs: (MOST_SECONDS + 10) * 1_000 };
  const { stdout } = await from.exec(program, ["ask", to.address, ...numbers], options);
  return JSON.parse(stdout) as QueryResult;
}
