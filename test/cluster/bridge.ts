// A TCP port on this process's loopback → a TCP port inside a network namespace. A Unix socket
// reaches across network namespaces, so no interface and no route is made for it.
//
// Run as a program, this file is the far end: bridge.ts SOCKET ADDRESS PORT.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Bridge {
  /** On 127.0.0.1, in the network namespace of this process. */
  port: number;
  close(): void;
}

/** `prefix` runs a command inside the namespace, such as ["ip", "netns", "exec", "name"]. */
export async function bridgeInto(
  prefix: readonly string[],
  address: string,
  port: number,
): Promise<Bridge> {
  const directory = mkdtempSync(join(tmpdir(), "portico-bridge-"));
  const socketPath = join(directory, "bridge.sock");
  const farEnd = [process.execPath, import.meta.filename, socketPath, address, `${port}`];
  const [command = "", ...rest] = [...prefix, ...farEnd];
  const far = spawn(command, rest, { stdio: ["pipe", "pipe", "inherit"] });
  await Promise.race([once(far.stdout, "data"), failedStart(far)]);
  const near = await listening(createServer(joinTo(() => connect(socketPath))), {
    port: 0,
    host: "127.0.0.1",
  });
  near.unref();
  const close = () => {
    near.close();
    far.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  };
  return { port: (near.address() as AddressInfo).port, close };
}

async function failedStart(far: ReturnType<typeof spawn>): Promise<never> {
  const [code, signal] = await once(far, "exit");
  throw new Error(`The bridge into a network namespace ended at once with ${signal ?? code}.`);
}

async function listening(server: Server, where: object): Promise<Server> {
  server.listen(where);
  await once(server, "listening");
  return server;
}

/** Both ways, and an end on one side, good or bad, ends the other. */
function joinTo(reach: () => Socket): (socket: Socket) => void {
  return (socket) => {
    const other = reach();
    socket.pipe(other).pipe(socket);
    socket.on("error", () => other.destroy()).on("close", () => other.destroy());
    other.on("error", () => socket.destroy()).on("close", () => socket.destroy());
  };
}

if (import.meta.main) {
  const [socketPath = "", address = "", port = ""] = process.argv.slice(2);
  await listening(createServer(joinTo(() => connect(Number(port), address))), { path: socketPath });
  process.stdin.on("end", () => process.exit(0)).resume(); // ends with the process that started it
  console.log("listening");
}
