// Durations as Go writes them ("1m30s", "2h22m0s", "250ms") ↔ milliseconds. After Go's
// time.ParseDuration and Duration.String.

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3, // U+00B5
  μs: 1e-3, // U+03BC
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** Returns undefined when it is not a duration. "0" needs no unit. */
export function parseGoDuration(text: string): number | undefined {
  const [, sign, rest = ""] = /^([+-]?)(.*)$/s.exec(text) ?? [];
  if (rest === "0") return 0;
  if (!/^((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+$/.test(rest)) return undefined;
  let total = 0;
  for (const [, amount, unit = ""] of rest.matchAll(/([\d.]+)([a-zµμ]+)/g)) {
    total += Number(amount) * (UNIT_MS[unit] ?? 0);
  }
  const exact = Math.round(total * 1e6) / 1e6;
  return sign === "-" ? -exact : exact;
}

/** Writes whole nanoseconds, 0 or more: "1h0m0s", "1m30s", "1.5s", "250ms", "0s". */
export function goDuration(milliseconds: number): string {
  if (milliseconds === 0) return "0s";
  if (milliseconds < 0.001) return `${rounded(milliseconds * 1e6)}ns`;
  if (milliseconds < 1) return `${rounded(milliseconds * 1e3)}µs`;
  if (milliseconds < 1_000) return `${rounded(milliseconds)}ms`;
  const hours = Math.floor(milliseconds / 3_600_000);
  const minutes = Math.floor((milliseconds % 3_600_000) / 60_000);
  const seconds = `${rounded((milliseconds % 60_000) / 1_000)}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}

/** Removes the error of binary fractions. */
function rounded(value: number): number {
  return Number(value.toFixed(9));
}
