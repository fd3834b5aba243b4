// One request to the table endpoint, over a kept connection on its Unix socket.

import type { Agent } from "node:http";
import { askUnix, type UnixAnswer } from "../http/ask-unix.ts";
import { TableError } from "./table-error.ts";

export interface HttpTarget {
  socketPath: string;
  agent: Agent;
  /** Time limit for the whole answer. */
  timeoutMilliseconds: number;
}

/**
 * Sends a GET, or a POST when there is a body. Rejects with TableError "unreachable" only. The
 * plugin may still have applied a frame; pushed again it gives a conflict and changes nothing.
 */
export async function ask(
  target: HttpTarget,
  path: string,
  body?: Uint8Array,
): Promise<UnixAnswer> {
  const { socketPath, agent, timeoutMilliseconds: timeoutMs } = target;
  const method = body === undefined ? "GET" : "POST";
  try {
    return await askUnix({ socketPath, agent, timeoutMs, method, path, body });
  } catch (error) {
    throw unreachable(target, path, error as Error);
  }
}

/** What went wrong with a request → an error that names the socket. */
export function unreachable(
  { socketPath, timeoutMilliseconds }: HttpTarget,
  path: string,
  { message, name }: Error,
): TableError {
  const reason = name === "TimeoutError" ? `no answer within ${timeoutMilliseconds} ms` : message;
  return new TableError("unreachable", `Envoy's table, ${socketPath}${path}: ${reason}`);
}
