// One Portico per node: the kernel rules exist once in a network namespace, so the lock is an
// abstract Unix socket, which belongs to the network namespace and disappears with its process.

import { connect, createServer } from "node:net";
import { listen } from "./listen.ts";

const LOCK_ADDRESS = "\0portico";

/** Another Portico runs in this network namespace. */
class NodeLockedError extends Error {
  readonly code = "node-locked";
  override readonly name = "NodeLockedError";
}

/**
 * Returns the function that releases the lock; throws NodeLockedError with what `refusal` makes of
 * the other process's `holder`. `holder` is what another process reads about this one.
 */
export async function lockNode(
  holder: string,
  refusal: (holder: string) => string = anotherRuns,
): Promise<() => void> {
  const server = createServer((socket) => socket.end(holder));
  server.unref();
  try {
    await listen(server, { path: LOCK_ADDRESS });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    throw new NodeLockedError(refusal(await askHolder()));
  }
  return () => server.close();
}

function anotherRuns(holder: string): string {
  return (
    `another Portico runs on this node (${holder}); two would undo each other's kernel rules: ` +
    "stop that one first"
  );
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
