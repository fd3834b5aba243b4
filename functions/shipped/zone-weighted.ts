// Backends in the node's own zone count several times as much as others. If too few of them are
// ready, all count the same: the zone has failed over.

/** How many times as much a backend of the own zone counts. */
export let weight: i32 = 4;
/** Percent of the own zone's backends that have to be ready. */
export let ready: i32 = 50;

export function pick(connection: Connection, backends: Backends): Backend | null {
  let own = 0;
  let ownReady = 0;
  for (let i = 0; i < backends.length; i++) {
    const backend = backends[i];
    if (backend.zone !== connection.zone) continue;
    own++;
    if (backend.isReady) ownReady++;
  }
  if (own === 0 || ownReady * 100 < own * ready) return null;
  let chosen = random(backends.length + own * (weight - 1));
  for (let i = 0; i < backends.length; i++) {
    chosen -= backends[i].zone === connection.zone ? weight : 1;
    if (chosen < 0) return backends[i];
  }
  return null;
}
