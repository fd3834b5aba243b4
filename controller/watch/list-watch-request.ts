// One GET request to the API server and its whole answer, with limits on silence. Does not know
// what is listed or watched.

import {
  ADDRESS_HINT,
  ApiFailure,
  type Asked,
  type FailureCode,
  failureFromStatus,
  garbledAnswer,
} from "../kubeconfig/api-failure.ts";
import { type JsonRecord, recordOf, textOf } from "../model/json.ts";
import type { Clock } from "../system/clock.ts";
import { SilenceGuard } from "./list-watch-guard.ts";

/** The longest time to the first byte of an answer, and between two pieces of it. */
const ANSWER_LIMIT_MS = 30_000;

/** The way to the API server; see kubernetes-api.ts. */
export interface Api {
  /** Its URL, for operators. */
  readonly server: string;
  /**
   * Sends a GET; resolves for any HTTP status. Rejects when there is no answer. `signal` ends the
   * body's stream too.
   */
  get(path: string, query: Record<string, string>, signal: AbortSignal): Promise<ApiAnswer>;
}

export interface ApiAnswer {
  status: number;
  /** 0 without the header Retry-After. */
  retryAfterMs: number;
  body: AsyncIterable<Uint8Array>;
}

/** Reads a body of status 200 to its end; may set another limit on `guard`. */
type BodyReader<Result> = (body: AsyncIterable<Uint8Array>, guard: SilenceGuard) => Promise<Result>;

/** Requests for one collection, until `stop` aborts them. */
export class Requests {
  readonly #api: Api;
  readonly #clock: Clock;
  readonly #stop: AbortSignal;
  readonly #what: Omit<Asked, "verb">;
  readonly #selectors: Record<string, string>;

  constructor(
    api: Api,
    clock: Clock,
    stop: AbortSignal,
    what: Omit<Asked, "verb"> & { selectors: Record<string, string> },
  ) {
    this.#api = api;
    this.#clock = clock;
    this.#stop = stop;
    this.#what = { resource: what.resource, apiGroup: what.apiGroup };
    this.#selectors = what.selectors;
  }

  /** Throws an ApiFailure unless the status is 200, or what the connection throws. */
  async get<Result>(
    verb: Asked["verb"],
    query: Record<string, string>,
    read: BodyReader<Result>,
  ): Promise<Result> {
    const guard = new SilenceGuard(this.#clock, this.#stop);
    guard.limit(ANSWER_LIMIT_MS, () => this.#silence("unreachable", "does not answer"));
    try {
      const all = { ...this.#selectors, ...query };
      const answer = await this.#api.get(this.#path(), all, guard.signal);
      guard.limit(ANSWER_LIMIT_MS, () =>
        this.#silence("cut", "stopped in the middle of its answer"),
      );
      const body = guard.listen(answer.body);
      if (answer.status === 200) return await read(body, guard);
      const message = statusMessage(await textFrom(body));
      throw this.failure(verb, answer.status, message, answer.retryAfterMs);
    } catch (error) {
      throw guard.signal.aborted ? guard.signal.reason : error;
    } finally {
      guard.end();
    }
  }

  /** Returns one page of a list, or a whole one, as a JSON object. */
  async list(query: Record<string, string>): Promise<JsonRecord> {
    const text = await this.get("list", query, textFrom);
    try {
      return recordOf(JSON.parse(text));
    } catch {
      throw garbledAnswer("The API server's list is not JSON.");
    }
  }

  /** Returns the failure for a refusal, in the words of this collection. */
  failure(verb: Asked["verb"], status: number, message: string, retryAfterMs = 0): ApiFailure {
    return failureFromStatus({ verb, ...this.#what }, status, message, retryAfterMs);
  }

  #path(): string {
    const { apiGroup, resource } = this.#what;
    return `${apiGroup === "" ? "/api" : `/apis/${apiGroup}`}/v1/${resource}`;
  }

  #silence(code: FailureCode, does: string): ApiFailure {
    const message = `${this.#api.server} ${does} within ${ANSWER_LIMIT_MS / 1_000} s.`;
    const hint = "Is it overloaded, or does a firewall interfere?";
    return new ApiFailure(code, message, code === "cut" ? hint : `${hint} ${ADDRESS_HINT}`);
  }
}

async function textFrom(body: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces).toString("utf8");
}

/** Returns the message of a Status object, or the beginning of any other text. */
function statusMessage(text: string): string {
  try {
    return textOf(recordOf(JSON.parse(text)).message);
  } catch {
    return text.trim().slice(0, 200);
  }
}
