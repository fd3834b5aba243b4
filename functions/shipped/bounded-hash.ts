// The same client gets the same backend, as long as that has no more than its share of the open
// connections; then the client's next choice. Consistent hashing with bounded loads.

/** Percent of the mean that a backend may have open. */
export let bound: i32 = 125;

const TRIES = 8;

export function pick(connection: Connection, backends: Backends): Backend | null {
  let hash = connection.clientHash;
  // Each try looks at a backend of its own; their mean stands for that of all.
  let open = 0;
  for (let i = 0; i < TRIES; i++) open += backends[(hash32(hash + i) >>> 1) % backends.length].open;
  const limit = (open * bound) / (100 * TRIES) + 1;
  for (let i = 0; i < TRIES; i++) {
    const backend = backends.byHash(hash);
    if (backend.open < limit) return backend;
    hash = hash32(hash + 1);
  }
  return backends.byHash(connection.clientHash);
}
