// The API server, on this process's loopback → the same port on the loopback of a namespace. The
// way is a Unix socket, which reaches across network namespaces: the node gets no interface and no
// route that it would not have. (test/cluster/bridge.ts leads the other way.)
//
// Run as a program, this file is the far end: way-to-api.ts SOCKET PORT.

import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Namespace } from "../namespaces/namespace.ts";

/** To the port on 127.0.0.1, for any number of namespaces. */
export class WayToApi {
  readonly port: number;
  readonly #directory = mkdtempSync(join(tmpdir(), "portico-way-"));
  #near: Server | undefined;

  private constructor(port: number) {
    this.port = port;
  }

  static async open(port: number): Promise<WayToApi> {
    const way = new WayToApi(port);
    way.#near = await listening(joined({ port, host: "127.0.0.1" }), { path: way.#socketPath });
    way.#near.unref();
    return way;
  }

  get #socketPath(): string {
    return join(this.#directory, "api.sock");
  }

  /** Ends with the namespace. */
  async leadInto(namespace: Namespace): Promise<void> {
    const far = [import.meta.filename, this.#socketPath, `${this.port}`];
    const child = namespace.spawn(process.execPath, far);
    child.stderr?.pipe(process.stderr);
    const ended = once(child, "exit").then(([code]) => {
      throw new Error(`The way to the API server from ${namespace.label} ended with ${code}`);
    });
    await Promise.race([once(child.stdout as NodeJS.ReadableStream, "data"), ended]);
    ended.catch(() => {});
  }

  close(): void {
    this.#near?.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

async function listening(server: Server, where: object): Promise<Server> {
  server.listen(where);
  await once(server, "listening");
  return server;
}

/** Whoever connects is connected to `target`; an end on one side, good or bad, ends the other. */
function joined(target: { path: string } | { port: number; host: string }): Server {
  return createServer((socket: Socket) => {
    const other = connect(target);
    socket.pipe(other).pipe(socket);
    socket.on("error", () => other.destroy()).on("close", () => other.destroy());
    other.on("error", () => socket.destroy()).on("close", () => socket.destroy());
  });
}

if (import.meta.main) {
  const [path = "", port = ""] = process.argv.slice(2);
  await listening(joined({ path }), { port: Number(port), host: "127.0.0.1" });
  console.log("listening");
}
