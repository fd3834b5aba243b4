// Servers that survive errors. An error after a server started to listen is about a connection that
// it could not accept, for lack of a descriptor (observe/descriptors.ts reports that): its client
// sees the end, and the next may succeed. Node ends a process without a listener for such an error.

import type { ListenOptions, Server } from "node:net";

/** Resolves when it listens; rejects when it cannot. */
export function listen(server: Server, where: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen(where, resolve);
  });
}
