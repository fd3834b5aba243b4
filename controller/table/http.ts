// One request to the table endpoint, over a kept connection on its Unix socket.

import { type Agent, type IncomingMessage, request } from "node:http";
import { TableError } from "./table-error.ts";

export interface HttpAnswer {
  status: number;
  body: Buffer;
}

export interface HttpTarget {
  socketPath: string;
  agent: Agent;
  /** For the whole answer. */
  timeoutMilliseconds: number;
}

function readAll(response: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    response.on("data", (part: Buffer) => parts.push(part));
    response.on("end", () => resolve(Buffer.concat(parts)));
    response.on("error", reject);
  });
}

/** The kept connection was closed by the other end, maybe before we asked: worth a second try. */
class StaleConnection extends Error {}

function exchange(target: HttpTarget, path: string, body?: Uint8Array): Promise<HttpAnswer> {
  const { socketPath, agent } = target;
  const signal = AbortSignal.timeout(target.timeoutMilliseconds);
  const method = body === undefined ? "GET" : "POST";
  // With a length and not chunked: Envoy then knows that nothing follows the body.
  const headers = body === undefined ? {} : { "content-length": body.length };
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, agent, method, path, headers, signal }, (response) => {
      readAll(response).then(
        (bytes) => resolve({ status: response.statusCode ?? 0, body: bytes }),
        reject,
      );
    });
    sent.on("error", (error: NodeJS.ErrnoException) => {
      const broken = error.code === "ECONNRESET" || error.code === "EPIPE";
      reject(sent.reusedSocket && broken ? new StaleConnection(error.message) : error);
    });
    sent.end(body);
  });
}

/**
 * A GET, or a POST when there is a body. Rejects with TableError "unreachable" only. A frame may
 * have been applied nevertheless; pushed again it gives a conflict and changes nothing.
 */
export async function ask(
  target: HttpTarget,
  path: string,
  body?: Uint8Array,
): Promise<HttpAnswer> {
  try {
    return await exchange(target, path, body);
  } catch (error) {
    if (error instanceof StaleConnection) return ask(target, path, body);
    const { message, name } = error as Error;
    const slow = name === "AbortError" || name === "TimeoutError";
    const reason = slow ? `no answer within ${target.timeoutMilliseconds} ms` : message;
    throw new TableError("unreachable", `Envoy's table, ${target.socketPath}${path}: ${reason}`);
  }
}
