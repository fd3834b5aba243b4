// The first group gives its connections to the second over a time: none at the start, all at the
// end, and evenly in between.

/** Seconds since 1970 in UTC: `date +%s -d 2027-01-31T22:00Z`. */
export let start: f64 = 0;
/** Seconds that it takes. */
export let duration: f64 = 3600;

export function pick(connection: Connection, backends: Backends): Backend | null {
  const passed = (connection.unixSeconds - start) / duration;
  const moved = random(10000) < <i32>(Math.min(Math.max(passed, 0), 1) * 10000);
  const backend = backends.anyOf(moved ? 1 : 0);
  return backend !== null ? backend : backends.anyOf(moved ? 0 : 1);
}
