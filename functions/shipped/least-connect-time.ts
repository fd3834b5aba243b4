// The one of two backends that connects faster, by the moving average of its connect times. One
// whose time is not known yet is tried.

/** Microseconds for each open connection: of two that are equally fast, the one with fewer. */
export let openCost: i32 = 10;

function cost(backend: Backend): i32 {
  return backend.connectTime + backend.open * openCost;
}

export function pick(_connection: Connection, backends: Backends): Backend | null {
  const one = backends.any();
  const other = backends.any();
  return cost(one) <= cost(other) ? one : other;
}
