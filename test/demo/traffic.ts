// Connections to the store and what became of them → figures for the story, by who answered and how
// the others failed.

import type { Dialer, HeldConnection } from "../namespaces/dialer.ts";
import type { DialResult } from "../namespaces/messages.ts";

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

export function increase(counts: Map<string, number>, name: string, count: number): void {
  counts.set(name, (counts.get(name) ?? 0) + count);
}

/** "orders-api-1 21, -2 19"; "nobody" when there is none. */
export function countsText(counts: ReadonlyMap<string, number>): string {
  const sorted = [...counts].sort(([a], [b]) => a.localeCompare(b));
  const prefix = sorted[0]?.[0].replace(/-\d+$/, "-") ?? "";
  const parts = sorted.map(([name, count], index) => {
    const short = index > 0 && name.startsWith(prefix) ? name.slice(prefix.length - 1) : name;
    return `${short} ${count}`;
  });
  return parts.join(", ") || "nobody";
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
interface Answer {
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
