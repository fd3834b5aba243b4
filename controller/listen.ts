// Servers that go on. An error after a server began to listen is about a connection that could not
// be accepted, for want of a descriptor (observe/descriptors.ts reports that): its client sees the
// end, and the next may be luckier. Node ends a process that has no listener for such an error.

import type { ListenOptions, Server } from "node:net";

/** Resolves when it listens; rejects when it cannot. */
export function listen(server: Server, where: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen(where, resolve);
  });
}
