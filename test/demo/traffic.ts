// Connections to the store and what became of them → figures for the story: short ones, counted by
// who answered and how they failed, and long ones, which keep asking until they are stopped.

import { setTimeout as delay } from "node:timers/promises";
import type { Dialer, HeldConnection } from "../namespaces/dialer.ts";
import type { DialResult, Tally } from "../namespaces/messages.ts";

export interface Figures {
  tried: number;
  answered: number;
  /** Who answered, and how often. */
  names: Map<string, number>;
  /** The addresses that the answering Pods were called from. */
  clients: Set<string>;
  /** Outcomes other than "answered", and how often. */
  failures: Map<string, number>;
  slowestMs: number;
}

export function figuresFromDials(results: readonly DialResult[]): Figures {
  const figures = noFigures();
  for (const { outcome, name, client, milliseconds } of results) {
    add(figures, outcome, 1);
    if (name !== "") increase(figures.names, name, 1);
    if (client !== "") figures.clients.add(client.replace(/:\d+$/, ""));
    figures.slowestMs = Math.max(figures.slowestMs, milliseconds);
  }
  return figures;
}

export function figuresFromTally(tally: Tally): Figures {
  const figures = noFigures();
  for (const [outcome, count] of Object.entries(tally.outcomes)) add(figures, outcome, count);
  for (const [name, count] of Object.entries(tally.names)) increase(figures.names, name, count);
  return { ...figures, slowestMs: tally.slowestMs };
}

function noFigures(): Figures {
  return {
    tried: 0,
    answered: 0,
    names: new Map(),
    clients: new Set(),
    failures: new Map(),
    slowestMs: 0,
  };
}

function add(figures: Figures, outcome: string, count: number): void {
  figures.tried += count;
  if (outcome === "answered") figures.answered += count;
  else increase(figures.failures, outcome, count);
}

function increase(counts: Map<string, number>, name: string, count: number): void {
  counts.set(name, (counts.get(name) ?? 0) + count);
}

/** "orders-api-1 21, orders-api-2 19"; "nobody" when there is none. */
export function countsText(counts: ReadonlyMap<string, number>): string {
  const parts = [...counts].sort(([a], [b]) => a.localeCompare(b));
  return parts.map(([name, count]) => `${name} ${count}`).join(", ") || "nobody";
}

/** "60 of 60, slowest 8 ms", with the failures if there are any. */
export function answeredText({ answered, tried, failures, slowestMs }: Figures): string {
  const failed = failures.size === 0 ? "" : ` (${countsText(failures)})`;
  return `${answered} of ${tried}${failed}, slowest ${Math.round(slowestMs)} ms`;
}

/** Exactly these answered, in whatever order. */
export function answeredBy({ names }: Figures, expected: readonly string[]): boolean {
  return names.size === expected.length && expected.every((name) => names.has(name));
}

/** What shop.ts answers. */
export interface Answer {
  name: string;
  client: string;
  error?: string;
  next?: Answer;
}

/** One request on a connection that stays open; throws when the connection is lost. */
export async function request(connection: HeldConnection, path: string): Promise<Answer> {
  const text = await connection.echo(`GET ${path} HTTP/1.1\r\nHost: shop\r\n\r\n`, 5_000);
  const body = text.split("\r\n\r\n")[1] ?? "";
  return JSON.parse(body) as Answer;
}

/** One request on a connection of its own. */
export async function requestOnce(
  dialer: Dialer,
  address: string,
  port: number,
  path: string,
): Promise<Answer> {
  const connection = await dialer.open(address, port);
  try {
    return await request(connection, path);
  } finally {
    await connection.close();
  }
}

const PAUSE_MS = 150;

interface LongConnection {
  connection: HeldConnection;
  /** Who holds its other end. */
  name: string;
  state: "open" | "finishing" | "finished" | "lost";
  asking: Promise<void>;
}

/** Connections that stay open and ask something several times a second, as busy clients do. */
export class LongConnections {
  /** Requests that were answered. */
  requests = 0;
  /** Connections that failed, with whose they were and why. */
  readonly lost: string[] = [];
  private readonly all: LongConnection[] = [];

  /** Opens that many more; throws when one cannot be opened. */
  async add(dialer: Dialer, address: string, port: number, count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const connection = await dialer.open(address, port);
      const { name } = await request(connection, "/");
      const long: LongConnection = { connection, name, state: "open", asking: Promise.resolve() };
      long.asking = this.keepAsking(long);
      this.all.push(long);
    }
  }

  /** How many are open, and to whom. */
  holders(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { name, state } of this.all) if (state === "open") increase(counts, name, 1);
    return counts;
  }

  /**
   * The clients of these Pods (or all) ask once more, are done and close. Returns how many of those
   * connections had lived until then.
   */
  async finish(names?: readonly string[]): Promise<number> {
    const concerned = this.all.filter(
      ({ name, state }) => state === "open" && (names?.includes(name) ?? true),
    );
    for (const long of concerned) long.state = "finishing";
    await Promise.all(concerned.map(({ asking }) => asking));
    return concerned.filter(({ state }) => state === "finished").length;
  }

  private async keepAsking(long: LongConnection): Promise<void> {
    while (long.state === "open") {
      await this.ask(long);
      await delay(PAUSE_MS);
    }
    if (long.state !== "finishing") return;
    await this.ask(long);
    if (long.state !== "finishing") return;
    long.state = "finished";
    await long.connection.close();
  }

  private async ask(long: LongConnection): Promise<void> {
    try {
      const { name } = await request(long.connection, "/");
      if (name !== long.name) throw new Error(`answered by ${name} all of a sudden`);
      this.requests += 1;
    } catch (error) {
      long.state = "lost";
      this.lost.push(`${long.name}: ${(error as Error).message}`);
    }
  }
}
