// Clients of the store that do not stop by themselves: a stream of new connections, and connections
// that stay open and keep asking. Both run beside the story until it stops them.

import { setTimeout as delay } from "node:timers/promises";
import type { Dialer, HeldConnection } from "../namespaces/dialer.ts";
import type { DialResult } from "../namespaces/messages.ts";
import { type Figures, figuresFromDials, increase, request } from "./traffic.ts";

const LANES = 2;
const BURST = 4;
const BETWEEN_BURSTS_MS = 10;

/** New connections, some hundred a second: enough to notice a gap, without using the machine up. */
export class Stream {
  private readonly results: DialResult[] = [];
  private readonly lanes: Promise<void>[];
  private stopped = false;
  private failure: unknown;

  constructor(dialer: Dialer, address: string, port: number) {
    const lane = async () => {
      while (!this.stopped) {
        this.results.push(...(await dialer.dial(address, port, { tries: BURST })));
        await delay(BETWEEN_BURSTS_MS);
      }
    };
    this.lanes = Array.from({ length: LANES }, () =>
      lane().catch((error) => {
        this.failure = error;
      }),
    );
  }

  /** Throws when connections could not even be tried. */
  async stop(): Promise<Figures> {
    this.stopped = true;
    await Promise.all(this.lanes);
    if (this.failure !== undefined) throw this.failure;
    return figuresFromDials(this.results);
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
    await long.connection.close().catch(() => {});
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
