// A running agent.ts → questions to it as promises, as many at once as one likes.

import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import type { Namespace } from "../namespaces/namespace.ts";
import type { Answer, DialResult, Request } from "./agent-messages.ts";

const PROGRAM = new URL("agent.ts", import.meta.url).pathname;

export class Agent {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #lastId = 0;

  private constructor(child: ChildProcess, onListening: () => void, onEnd: (why: Error) => void) {
    this.#child = child;
    child.stderr?.pipe(process.stderr);
    if (child.stdout === null) throw new Error("an agent has no standard output");
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (line === "listening") return onListening();
      const answer = JSON.parse(line) as Answer;
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
    child.on("close", (code) => {
      const error = `agent: ended with ${code}`;
      onEnd(new Error(error));
      for (const [id, settle] of this.#waiting) settle({ id, error });
      this.#waiting.clear();
    });
  }

  /** In `namespace`, where it answers as `name` on each of the ports; resolves when it does. */
  static async start(namespace: Namespace, name: string, ports: readonly number[]): Promise<Agent> {
    const child = namespace.spawn(process.execPath, [PROGRAM, name, ...ports.map(String)]);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const agent = new Agent(child, resolve, reject);
    await promise;
    return agent;
  }

  /** For the requests that dial. */
  async results(request: Request): Promise<DialResult[]> {
    const answer = await this.#ask(request);
    if ("results" in answer) return answer.results;
    throw new Error(`agent: ${JSON.stringify(answer)}`);
  }

  /** For the others. */
  async text(request: Request): Promise<string> {
    const answer = await this.#ask(request);
    if ("text" in answer) return answer.text;
    throw new Error(`agent: ${JSON.stringify(answer)}`);
  }

  #ask(request: Request): Promise<Answer> {
    const id = ++this.#lastId;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.stdin?.write(`${JSON.stringify({ id, request })}\n`);
    });
  }
}
