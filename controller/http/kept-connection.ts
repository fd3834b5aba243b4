// POSTs to one server on a Unix socket, again and again over one connection → their whole answers.
// Node's HTTP client makes a dozen objects, two timers and calls of a parser of each request; this
// writes the request and reads the answer. For servers that give each answer a content-length, as
// Envoy does with those of a plugin.

import { connect, type Socket } from "node:net";
import { CutOffError, type UnixAnswer } from "./ask-unix.ts";

/** Headers longer than this are none. */
const MOST_HEADER_BYTES = 16_384;
const END_OF_HEADERS = "\r\n\r\n";

interface Exchange {
  resolve: (answer: UnixAnswer) => void;
  reject: (error: Error) => void;
  timer: NodeJS.Timeout;
  /** Whether an earlier exchange used the connection: its other end may just have closed it. */
  isReused: boolean;
}

/** The other end had closed the kept connection before it read the request. */
class StaleConnection extends Error {}

export class KeptConnection {
  readonly #socketPath: string;
  readonly #timeoutMs: number;
  #socket: Socket | undefined;
  #current: Exchange | undefined;
  #received: Buffer[] = [];
  #receivedBytes = 0;
  /** Of the answer under way, once its headers are there. */
  #head: AnswerHead | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  /** Connects with the first request. `timeoutMs`: the limit for each whole answer. */
  constructor(socketPath: string, timeoutMs: number) {
    this.#socketPath = socketPath;
    this.#timeoutMs = timeoutMs;
  }

  /** Closes the connection, also under a request, which rejects; the next one makes another. */
  close(): void {
    this.#fail(hangUpError());
  }

  /**
   * Sends a request, once those before it are answered, and resolves to the answer, whatever its
   * status. It may be sent twice, so it must be idempotent. Rejects with the error of the socket,
   * with one named TimeoutError, with CutOffError, or with one that says what is no HTTP.
   */
  post(path: string, body: Uint8Array): Promise<UnixAnswer> {
    const asked = this.#turn.then(() => this.#exchange(path, body));
    this.#turn = asked.catch(() => {});
    return asked;
  }

  async #exchange(path: string, body: Uint8Array): Promise<UnixAnswer> {
    try {
      return await this.#send(path, body);
    } catch (error) {
      if (error instanceof StaleConnection) return this.#send(path, body);
      throw error;
    }
  }

  #send(path: string, body: Uint8Array): Promise<UnixAnswer> {
    const isReused = this.#socket !== undefined;
    const socket = this.#socket ?? this.#connected();
    const head = `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}`;
    socket.ref();
    socket.write(Buffer.concat([Buffer.from(head + END_OF_HEADERS, "latin1"), body]));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(timeoutError(this.#timeoutMs)), this.#timeoutMs);
      this.#current = { resolve, reject, timer, isReused };
    });
  }

  #connected(): Socket {
    const socket = connect({ path: this.#socketPath });
    this.#socket = socket;
    let failure: NodeJS.ErrnoException | undefined;
    socket.on("data", (bytes: Buffer) => this.#take(bytes));
    socket.on("error", (error) => {
      failure = error;
    });
    socket.on("close", () => {
      if (this.#socket === socket) this.#closed(failure);
    });
    return socket;
  }

  #closed(failure: NodeJS.ErrnoException | undefined): void {
    this.#socket = undefined;
    if (!this.#current) return;
    const isBroken = failure === undefined || CLOSED_CODES.has(failure.code ?? "");
    if (this.#receivedBytes > 0) this.#fail(new CutOffError("aborted"));
    else if (isBroken && this.#current.isReused) this.#fail(new StaleConnection());
    else this.#fail(failure ?? hangUpError());
  }

  /** Ends the exchange, and the connection, on which its answer could still come. */
  #fail(error: Error): void {
    const exchange = this.#ended();
    this.#disconnect();
    exchange?.reject(error);
  }

  #disconnect(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #ended(): Exchange | undefined {
    const exchange = this.#current;
    clearTimeout(exchange?.timer);
    this.#current = undefined;
    this.#received = [];
    this.#receivedBytes = 0;
    this.#head = undefined;
    return exchange;
  }

  #take(bytes: Buffer): void {
    this.#received.push(bytes);
    this.#receivedBytes += bytes.length;
    try {
      this.#head ??= answerHead(this.#received);
    } catch (error) {
      this.#fail(error as Error);
    }
    if (this.#head) this.#takeBody(this.#head);
  }

  #takeBody({ status, bytes, contentLength, closes }: AnswerHead): void {
    if (this.#receivedBytes < bytes + contentLength) return;
    const body = Buffer.concat(this.#received, bytes + contentLength).subarray(bytes);
    // What follows the answer belongs to no request.
    const isOver = closes || this.#receivedBytes > bytes + contentLength;
    const exchange = this.#ended();
    this.#socket?.unref();
    if (isOver || !exchange) this.#disconnect();
    exchange?.resolve({ status, body });
  }
}

interface AnswerHead {
  status: number;
  /** With the empty line at its end. */
  bytes: number;
  contentLength: number;
  /** Whether the other end closes the connection after this answer. */
  closes: boolean;
}

/** Returns undefined while its end has not come. Throws for what is no answer, or has no length. */
function answerHead(received: readonly Buffer[]): AnswerHead | undefined {
  const text = Buffer.concat(received).toString("latin1", 0, MOST_HEADER_BYTES);
  const end = text.indexOf(END_OF_HEADERS);
  const [, status] = /^HTTP\/1\.[01] (\d{3})[ \r]/.exec(text) ?? [];
  if (end < 0 && text.length < MOST_HEADER_BYTES && couldBegin(text)) return undefined;
  if (status === undefined || end < 0) throw new Error("it does not answer as HTTP/1.1 does");
  const headers = text.slice(0, end);
  const [, length] = /\r\ncontent-length: *(\d+) *(?:\r|$)/i.exec(headers) ?? [];
  if (length === undefined) throw new Error("its answer has no content-length");
  const closes = /\r\nconnection: *close/i.test(headers);
  const bytes = end + END_OF_HEADERS.length;
  return { status: Number(status), bytes, contentLength: Number(length), closes };
}

function couldBegin(text: string): boolean {
  const begin = "HTTP/1.";
  return text.startsWith(begin) || begin.startsWith(text);
}

const CLOSED_CODES = new Set(["ECONNRESET", "EPIPE"]);

function hangUpError(): Error {
  return Object.assign(new Error("socket hang up"), { code: "ECONNRESET" });
}

function timeoutError(timeoutMs: number): Error {
  return Object.assign(new Error(`no answer within ${timeoutMs} ms`), { name: "TimeoutError" });
}
