// The commands' end of control.sock.

import type { ControlError } from "../control/control-api.ts";
import { askUnix, CutOffError } from "../http/ask-unix.ts";

/** The controller refused, or is not there; `message` is for the operator at the terminal. */
export class ControlClientError extends Error {
  override readonly name = "ControlClientError";
}

/** Questions are answered from memory, or from Envoy and the kernel within seconds. */
const QUESTION_PATIENCE_MS = 30_000;
/** A change may wait for another Envoy to start. */
const CHANGE_PATIENCE_MS = 600_000;
/** How much to show of an answer that is not understood. */
const SHOWN_CHARACTERS = 60;

/**
 * Sends one request to the controller of this run directory and returns its answer, an object.
 * Rejects with ControlClientError when there is none in time (absent `patienceMs`: 30 s, 10 min for
 * changes), when it is cut off or is not JSON, and when it is an error.
 */
export async function callController<Answer>(
  socketPath: string,
  method: "GET" | "PUT" | "DELETE",
  path: string,
  body?: Uint8Array,
  patienceMs = method === "GET" ? QUESTION_PATIENCE_MS : CHANGE_PATIENCE_MS,
): Promise<Answer> {
  const asked = { socketPath, method, path, body, timeoutMs: patienceMs };
  const { status, body: bytes } = await askUnix(asked).catch((error: NodeJS.ErrnoException) => {
    throw new ControlClientError(explain(socketPath, error, patienceMs));
  });
  const text = bytes.toString("utf8");
  const answer = objectIn(text);
  if (status === 200 && answer) return answer as Answer;
  const { error } = (answer ?? {}) as Partial<ControlError>;
  throw new ControlClientError(
    typeof error === "string" ? error : explainAnswer(socketPath, status, text),
  );
}

/** Returns undefined when it is not JSON, or JSON of something other than an object. */
function objectIn(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function explain(socketPath: string, error: NodeJS.ErrnoException, patienceMs: number): string {
  if (error instanceof CutOffError) {
    return `the controller on ${socketPath} exited in the middle of its answer: see its log`;
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
      return `permission denied for ${socketPath}: run this as the same user as \`portico run\``;
    case "ECONNRESET":
    case "EPIPE":
      return `the controller on ${socketPath} exited before it answered: see its log`;
    default:
      // Not HTTP (HPE_…), or an error of the system, which names itself.
      return error.code?.startsWith("HPE_")
        ? `what listens on ${socketPath} is not a Portico controller: it does not speak HTTP`
        : `${socketPath}: ${error.message}`;
  }
}

function explainAnswer(socketPath: string, status: number, text: string): string {
  const shown = text.slice(0, SHOWN_CHARACTERS).trim();
  return (
    `what listens on ${socketPath} does not answer like a Portico controller (status ` +
    `${status}, "${shown}"): does \`portico run\` of this version use this --run-dir?`
  );
}
