// What functions get for a pick. The numbers are those of controller/linker (api.ts, limits.ts).

/** What a function keeps for a Service. */
export const STATE_BYTES: u32 = 1024;

const FUEL_BASE: u32 = 20000;
const FUEL_PER_BACKEND: u32 = 200;
const FUEL_LIMIT: u32 = 200000;

/** Returns what one pick among so many backends may cost. */
export function fuelFor(count: u32): u32 {
  return min(FUEL_BASE + FUEL_PER_BACKEND * count, FUEL_LIMIT);
}
