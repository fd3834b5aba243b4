// The same client gets the same backend, as long as that has no more than its share of the open
// connections; then the client's next choice. Consistent hashing with bounded loads.

/** Percent of the mean that a backend may have open. */
export let bound: i32 = 125;

const SAMPLES = 8;
const TRIES = 4;

export function pick(connection: Connection, backends: Backends): Backend | null {
  let hash = connection.clientHash;
  const first = backends.byHash(hash);
  // The mean of some stands for that of all.
  let open = 0;
  for (let i = 0; i < SAMPLES; i++) open += backends[random(backends.length)].open;
  const limit = (open * bound) / (100 * SAMPLES) + 1;
  let backend = first;
  for (let i = 1; i < TRIES && backend.open >= limit; i++) {
    hash = hash32(hash + 1);
    backend = backends.byHash(hash);
  }
  return backend.open < limit ? backend : first;
}
