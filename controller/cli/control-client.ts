// The commands' end of control.sock.

import { type IncomingMessage, request } from "node:http";
import type { ControlError } from "../daemon/control-api.ts";

/** The controller said no, or is not there; `message` is for the person at the terminal. */
export class ControlClientError extends Error {
  override readonly name = "ControlClientError";
}

/** Questions are answered from memory, or from Envoy and the kernel within seconds. */
const QUESTION_PATIENCE_MS = 30_000;
/** What changes something may wait for another Envoy to start. */
const CHANGE_PATIENCE_MS = 600_000;
/** Of an answer that is not understood. */
const SHOWN_CHARACTERS = 60;

/**
 * Sends one request to the controller of this run directory and returns its answer, an object.
 * Rejects with ControlClientError when there is none in time (absent `patienceMs`: 30 s, 10 min
 * for what changes something), when it is cut off or is not JSON, and when it is an error.
 */
export async function callController<Answer>(
  socketPath: string,
  method: "GET" | "PUT" | "DELETE",
  path: string,
  body?: Uint8Array,
  patienceMs = method === "GET" ? QUESTION_PATIENCE_MS : CHANGE_PATIENCE_MS,
): Promise<Answer> {
  const signal = AbortSignal.timeout(patienceMs);
  const { status, text } = await exchange({ socketPath, method, path, signal }, body).catch(
    (error: NodeJS.ErrnoException) => {
      throw new ControlClientError(explain(socketPath, error, patienceMs));
    },
  );
  const answer = objectIn(text);
  if (status === 200 && answer) return answer as Answer;
  const { error } = (answer ?? {}) as Partial<ControlError>;
  throw new ControlClientError(
    typeof error === "string" ? error : explainAnswer(socketPath, status, text),
  );
}

interface Exchanged {
  status: number;
  text: string;
}

interface Asked {
  socketPath: string;
  method: string;
  path: string;
  signal: AbortSignal;
}

function exchange(asked: Asked, body: Uint8Array | undefined): Promise<Exchanged> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => reject(asked.signal.aborted ? asked.signal.reason : error);
    const call = request(asked, (response) => {
      textOf(response).then(
        (text) => resolve({ status: response.statusCode ?? 0, text }),
        () => fail(new CutOff()),
      );
    });
    call.on("error", fail);
    call.end(body);
  });
}

class CutOff extends Error {}

async function textOf(response: IncomingMessage): Promise<string> {
  return Buffer.concat(await response.toArray()).toString("utf8");
}

/** Undefined when it is no JSON, or JSON of something else than an object. */
function objectIn(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function explain(socketPath: string, error: NodeJS.ErrnoException, patienceMs: number): string {
  if (error instanceof CutOff) {
    return `the controller on ${socketPath} ended in the middle of its answer: see its log`;
  }
  if (error.name === "TimeoutError") {
    const seconds = patienceMs / 1_000;
    return (
      `the controller on ${socketPath} did not answer within ${seconds} s: ` +
      "is its process stopped, or the node out of CPU?"
    );
  }
  switch (error.code) {
    case "ENOENT":
    case "ECONNREFUSED":
      return `no controller answers on ${socketPath}: does \`portico run\` use this --run-dir?`;
    case "EACCES":
      return `no permission for ${socketPath}: run this as the user that \`portico run\` runs as`;
    case "ECONNRESET":
    case "EPIPE":
      return `the controller on ${socketPath} ended before it answered: see its log`;
    default:
      // Not HTTP (HPE_…), or an error of the system, which names itself.
      return error.code?.startsWith("HPE_")
        ? `what listens on ${socketPath} is no controller of Portico: it does not speak HTTP`
        : `${socketPath}: ${error.message}`;
  }
}

function explainAnswer(socketPath: string, status: number, text: string): string {
  const shown = text.slice(0, SHOWN_CHARACTERS).trim();
  return (
    `what listens on ${socketPath} does not answer as a controller of Portico ` +
    `(status ${status}, "${shown}"): does \`portico run\` of this version use this --run-dir?`
  );
}
