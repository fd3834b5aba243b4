// A share of the connections goes to the second group, such as a new version; the others to the
// first. A group without a backend leaves its share to the other.

/** Percent of the connections. */
export let share: i32 = 10;

export function pick(_connection: Connection, backends: Backends): Backend | null {
  const wanted = random(100) < share ? 1 : 0;
  const backend = backends.anyOf(wanted);
  return backend !== null ? backend : backends.anyOf(1 - wanted);
}
