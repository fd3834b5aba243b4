// A CPU profile of the controller while the bench measures it, as Chrome's DevTools, VS Code and
// speedscope read it (.cpuprofile).
//
// Run as a program inside the node's namespace, this file is the far end: profile.ts FILE. It
// begins at once, prints a line, and writes the profile when its input ends.

import { once } from "node:events";
import { writeFileSync } from "node:fs";
import type { Namespace } from "../../namespaces/namespace.ts";
import { firstLine } from "../first-line.ts";

/** Of Node's inspector, on the node's loopback. */
export const INSPECTOR = "127.0.0.1:9229";
const INTERVAL_US = 200;

interface Profile {
  /** Resolves when the file is written. */
  end(): Promise<void>;
}

/** Begins a profile of the program whose inspector listens in this namespace. */
export async function beginProfile(node: Namespace, file: string): Promise<Profile> {
  const child = node.spawn(process.execPath, [import.meta.filename, file]);
  await firstLine(child, "the profiler");
  return {
    end: async () => {
      const ended = once(child, "exit");
      child.stdin?.end();
      await ended;
    },
  };
}

class Inspector {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (result: unknown) => void>();
  #lastId = 0;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const { id, result } = JSON.parse(String(data)) as { id?: number; result?: unknown };
      if (id !== undefined) this.#waiting.get(id)?.(result);
    });
  }

  ask(method: string, params: object = {}): Promise<unknown> {
    const id = ++this.#lastId;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    this.#waiting.set(id, resolve);
    this.#socket.send(JSON.stringify({ id, method, params }));
    return promise;
  }
}

async function record(file: string): Promise<void> {
  const list = await (await fetch(`http://${INSPECTOR}/json/list`)).json();
  const [{ webSocketDebuggerUrl }] = list as [{ webSocketDebuggerUrl: string }];
  const socket = new WebSocket(webSocketDebuggerUrl);
  await once(socket, "open");
  const inspector = new Inspector(socket);
  await inspector.ask("Profiler.enable");
  await inspector.ask("Profiler.setSamplingInterval", { interval: INTERVAL_US });
  await inspector.ask("Profiler.start");
  console.log("profiling");
  await once(process.stdin.resume(), "end");
  const { profile } = (await inspector.ask("Profiler.stop")) as { profile: object };
  writeFileSync(file, JSON.stringify(profile));
  socket.close();
}

if (import.meta.main) {
  const [file = ""] = process.argv.slice(2);
  await record(file);
}
