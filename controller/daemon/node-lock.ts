// One Portico per node: the kernel rules exist once in a network namespace, so the lock is an
// abstract Unix socket, which belongs to the network namespace and is gone with its process.

import { connect, createServer } from "node:net";
import { listen } from "../listen.ts";

const LOCK_ADDRESS = "\0portico";

/** Another Portico runs in this network namespace. */
export class NodeLockedError extends Error {
  readonly code = "node-locked";
  override readonly name = "NodeLockedError";
}

/** Returns the function that gives the lock back. `holder` is what a rival is told about us. */
export async function lockNode(holder: string): Promise<() => void> {
  const server = createServer((socket) => socket.end(holder));
  server.unref();
  try {
    await listen(server, { path: LOCK_ADDRESS });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    throw new NodeLockedError(
      `another Portico runs on this node (${await askHolder()}); two would undo each other's ` +
        "kernel rules: stop that one first",
    );
  }
  return () => server.close();
}

function askHolder(): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(LOCK_ADDRESS);
    socket.setEncoding("utf8");
    socket.setTimeout(1_000, () => socket.destroy());
    socket.on("data", (text) => {
      answer += text;
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(answer || "it does not say which process"));
  });
}
