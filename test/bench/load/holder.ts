// hold.c in a namespace: connections that stay open, and questions to them.

import type { Namespace } from "../../namespaces/namespace.ts";
import { LineProgram } from "../line-program.ts";
import type { LoadPrograms } from "./programs.ts";

/** What hold.c answers; its head says what each figure is. */
interface Opened {
  open: number;
  failures: number;
}

interface Asked {
  answered: number;
  lost: number;
  latencyUs: { p50: number; p99: number };
}

export class Holder {
  readonly #program: LineProgram;

  constructor(programs: LoadPrograms, from: Namespace, to: { address: string; port: number }) {
    this.#program = new LineProgram(
      from.spawn(programs.hold, [to.address, String(to.port)]),
      "hold",
    );
  }

  open(count: number): Promise<Opened> {
    return this.#say(`open ${count}`) as Promise<Opened>;
  }

  ask(): Promise<Asked> {
    return this.#say("ask") as Promise<Asked>;
  }

  close(count: number): Promise<Pick<Opened, "open">> {
    return this.#say(`close ${count}`) as Promise<Pick<Opened, "open">>;
  }

  /** Closes all connections. */
  async end(): Promise<void> {
    await this.#program.end();
  }

  async #say(command: string): Promise<unknown> {
    return JSON.parse(await this.#program.ask(command));
  }
}
