// Which backend gets a connection. `portico function test pick.ts` shows what it does.

/** A Service can set this: an exported variable that the code does not change. */
export let tries: i32 = 2;

/** The backend for this connection; null: any, by the built-in pick. */
export function pick(_connection: Connection, backends: Backends): Backend | null {
  let best = backends.any();
  for (let i = 1; i < tries; i++) {
    const other = backends.any();
    if (other.open < best.open) best = other;
  }
  return best;
}
