// Clients that go on all the time, of every kind: short TCP connections, open ones, UDP queries and
// clients with session affinity; Pods, host processes and one outside; both families. What each of
// them saw is kept until it is asked for.

import { setTimeout as delay } from "node:timers/promises";
import type { Agent } from "../parity/agent-client.ts";
import type { DialResult, Target } from "../parity/agent-messages.ts";
import type { Attempt } from "./verdict.ts";

/** A SYN that was dropped is sent again after 1, 3 and 7 s. */
const PATIENCE_MS = 15_000;
/** A resolver's: an answer may be lost, and the query is repeated. */
const QUERY_PATIENCE_MS = 4_000;
const QUERY_TRIES = 4;
const PAUSE_MS = 150;
const HELD_PAUSE_MS = 400;

export interface Stream {
  name: string;
  agent: Agent;
  kind: "short" | "held" | "query";
  address: string;
  port: number;
  /** Who may answer now. Of a client with affinity, the one that did at first: isSticky. */
  expected: () => readonly string[];
  isSticky?: boolean;
}

export class Traffic {
  readonly #loops: Promise<void>[];
  #attempts: Attempt[] = [];
  #isStopped = false;
  #flows = 0;
  readonly #sticky = new Map<string, string>();

  constructor(streams: readonly Stream[]) {
    this.#loops = streams.map((stream) => this.#go(stream));
  }

  /** What has ended since the last call. */
  take(): Attempt[] {
    const attempts = this.#attempts;
    this.#attempts = [];
    return attempts;
  }

  /** Resolves when each stream has begun and ended a try after now. */
  async untilAllTried(streams: number): Promise<void> {
    const begin = performance.now();
    const since = () => this.#attempts.filter((each) => each.begin >= begin);
    while (new Set(since().map(({ stream }) => stream)).size < streams) await delay(PAUSE_MS);
  }

  /** Clients with affinity may settle elsewhere. */
  forgetAffinity(): void {
    this.#sticky.clear();
  }

  /** Ends all of it; resolves when the tries under way have ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#loops);
  }

  async #go(stream: Stream): Promise<void> {
    let flow = this.#newFlow(stream);
    while (!this.#isStopped) {
      const begin = performance.now();
      const before = stream.expected();
      const { outcome, backend } = await ask(stream, flow);
      if (outcome !== "answered") flow = this.#newFlow(stream);
      const expected = this.#expected(stream, backend, before);
      const end = performance.now();
      const isHeld = stream.kind === "held";
      this.#attempts.push({ stream: stream.name, isHeld, begin, end, outcome, backend, expected });
      await delay(isHeld ? HELD_PAUSE_MS : PAUSE_MS);
    }
  }

  #newFlow({ name }: Stream): string {
    this.#flows += 1;
    return `${name} ${this.#flows}`;
  }

  #expected(stream: Stream, backend: string, before: readonly string[]): readonly string[] {
    if (!stream.isSticky) return [...new Set([...before, ...stream.expected()])];
    if (!this.#sticky.has(stream.name) && backend !== "") this.#sticky.set(stream.name, backend);
    const first = this.#sticky.get(stream.name);
    return first === undefined ? [] : [first];
  }
}

async function ask(stream: Stream, flow: string): Promise<DialResult> {
  const { agent, kind, address, port } = stream;
  const target: Target = { protocol: "TCP", address, port, timeoutMs: PATIENCE_MS };
  if (kind === "held") return only(agent.results({ op: "flow", flow, target }));
  if (kind === "short") return only(agent.results({ op: "dial", target, tries: 1 }));
  const query: Target = { ...target, protocol: "UDP", timeoutMs: QUERY_PATIENCE_MS };
  let result = await only(agent.results({ op: "dial", target: query, tries: 1 }));
  for (let tries = 1; tries < QUERY_TRIES && result.outcome !== "answered"; tries++) {
    await delay(QUERY_PATIENCE_MS / 10);
    result = await only(agent.results({ op: "dial", target: query, tries: 1 }));
  }
  return result;
}

async function only(results: Promise<DialResult[]>): Promise<DialResult> {
  const [first] = await results;
  if (first === undefined) throw new Error("an agent gave no result");
  return first;
}
