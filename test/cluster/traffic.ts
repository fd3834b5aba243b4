// Connections that go on while a cluster changes: some that are held, and new ones again and again.

import type { Dialer, HeldConnection, Load } from "../namespaces/dialer.ts";
import type { Outcome } from "../namespaces/messages.ts";

export interface Door {
  from: Dialer;
  address: string;
  port: number;
}

export class Traffic {
  readonly #held: HeldConnection[] = [];
  readonly #loads: Load[] = [];
  #echoCount = 0;

  /** Opens a connection through each of the doors, and keeps it. */
  async hold(...doors: Door[]): Promise<void> {
    const opened = doors.map(({ from, address, port }) => from.open(address, port));
    this.#held.push(...(await Promise.all(opened)));
  }

  /** Dials each of the doors over and over. */
  async stream(...doors: Door[]): Promise<void> {
    const started = doors.map(({ from, address, port }) => from.load(address, port, 1));
    this.#loads.push(...(await Promise.all(started)));
  }

  /** Throws unless every connection that is held still carries data both ways. */
  async echo(): Promise<void> {
    this.#echoCount += 1;
    const text = `still there? ${this.#echoCount}`;
    const echoes = await Promise.all(this.#held.map((connection) => connection.echo(text)));
    const wrong = echoes.find((echo) => echo !== text);
    if (wrong !== undefined) throw new Error(`"${text}" came back as "${wrong}"`);
  }

  /** Ends everything, once more proven; how the new ones of all streams ended, sorted. */
  async stop(): Promise<Outcome[]> {
    await this.echo();
    const tallies = await Promise.all(this.#loads.map((load) => load.stop()));
    await Promise.all(this.#held.map((connection) => connection.close()));
    const outcomes = tallies.flatMap((tally) => Object.keys(tally.outcomes) as Outcome[]);
    return [...new Set(outcomes)].sort();
  }
}
