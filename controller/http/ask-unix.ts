// An HTTP request to a server on a Unix socket → its whole answer. It knows no paths, and accepts
// any status.

import { type Agent, type IncomingMessage, request } from "node:http";

interface UnixRequest {
  socketPath: string;
  path: string;
  /** Absent: GET. */
  method?: "GET" | "POST" | "PUT" | "DELETE";
  /** Sent with its length, not chunked: so Envoy knows that nothing follows it. */
  body?: Uint8Array | undefined;
  /** The limit for the whole answer. */
  timeoutMs: number;
  /**
   * Keeps connections. The other end may have closed one of them, perhaps before it read the
   * request: this then sends the request again, so it must be idempotent. Absent: Node's own agent,
   * and no second try.
   */
  agent?: Agent;
}

export interface UnixAnswer {
  status: number;
  body: Buffer;
}

/** The other end closed the connection in the middle of its answer. */
export class CutOffError extends Error {
  override readonly name = "CutOffError";
}

/** A kept connection was closed by the other end. */
class StaleConnection extends Error {}

/**
 * Sends one request and resolves to the answer, whatever its status. Rejects with the error of the
 * socket or of the HTTP parser, with CutOffError, or after `timeoutMs` with an error that is named
 * TimeoutError.
 */
export async function askUnix(asked: UnixRequest): Promise<UnixAnswer> {
  try {
    return await exchange(asked);
  } catch (error) {
    if (error instanceof StaleConnection) return askUnix(asked);
    throw error;
  }
}

function exchange({ body, timeoutMs, agent, ...asked }: UnixRequest): Promise<UnixAnswer> {
  const signal = AbortSignal.timeout(timeoutMs);
  const headers = body === undefined ? {} : { "content-length": body.length };
  const options = { ...asked, agent, headers, signal };
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => reject(signal.aborted ? signal.reason : error);
    const sent = request(options, (response) => {
      bytesOf(response).then(
        (bytes) => resolve({ status: response.statusCode ?? 0, body: bytes }),
        (error: Error) => fail(new CutOffError(error.message)),
      );
    });
    sent.on("error", (error: NodeJS.ErrnoException) => {
      const isBroken = error.code === "ECONNRESET" || error.code === "EPIPE";
      fail(agent && sent.reusedSocket && isBroken ? new StaleConnection(error.message) : error);
    });
    sent.end(body);
  });
}

async function bytesOf(response: IncomingMessage): Promise<Buffer> {
  return Buffer.concat(await response.toArray());
}
