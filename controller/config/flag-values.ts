// The text of a flag → its value, or commander's error with what to give.

import { InvalidArgumentError } from "commander";
import { parseCIDR } from "../model/ip.ts";
import type { CapturePorts, RedirectPorts } from "../xds/resources.ts";

/** Parses a whole number within bounds, or throws commander's error with both. */
export function integerBetween(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < least || value > most) {
      throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`);
    }
    return value;
  };
}

/** `default`, `main` and `local` of rt_tables: Portico's route would replace one of the node's. */
const KERNEL_ROUTE_TABLES = [253, 254, 255];

/** Parses the number of a routing table that may be Portico's own. */
export function routeTableFromText(text: string): number {
  const table = integerBetween(1, 2 ** 32 - 2)(text);
  const own = [table, table + 1].find((each) => KERNEL_ROUTE_TABLES.includes(each));
  if (own === undefined) return table;
  throw new InvalidArgumentError(`Table ${own} is the kernel's own; give another, such as 4100.`);
}

/**
 * "15401,15402,15403,15404": the ports in the order of CapturePorts. An earlier version had three;
 * `last` is then the fourth.
 */
export function capturePortsFromText(last: number): (text: string) => CapturePorts {
  return (text) => {
    const given = text.split(",");
    const parts = given.length === 3 ? [...given, String(last)] : given;
    if (parts.length !== 4 || new Set(parts).size !== 4) {
      const ports = "15401,15402,15403,15404";
      throw new InvalidArgumentError(`Give four different ports, such as ${ports}.`);
    }
    const [keep = 0, host = 0, local = 0, masquerade = 0] = parts.map(integerBetween(1, 65_535));
    return { keep, host, local, masquerade };
  };
}

/** "15405,…,15417": the first Envoy's ports and the second's; kept, masqueraded, local list. */
export function redirectPortsFromText(text: string): readonly [RedirectPorts, RedirectPorts] {
  const parts = text.split(",");
  if (parts.length !== 6 || new Set(parts).size !== 6) {
    throw new InvalidArgumentError("Give six different ports, such as 15405,15406,15407,15415,…");
  }
  const ports = parts.map(integerBetween(1, 65_535));
  const of = (from: number): RedirectPorts => {
    const [keep = 0, masquerade = 0, local = 0] = ports.slice(from);
    return { keep, masquerade, local };
  };
  return [of(0), of(3)];
}

/** "5ms", "1s", "1m30s", as Kubernetes writes durations → milliseconds. */
export function durationMs(text: string): number {
  const units: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
  const whole = /^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text);
  if (!whole) throw new InvalidArgumentError("Give a duration such as 5ms, 30s or 1m30s.");
  const parts = text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g);
  let total = 0;
  for (const [, amount, unit] of parts) total += Number(amount) * (units[unit ?? ""] ?? 0);
  return total;
}

/** The same, but not 0, which would leave no time for anything else. */
export function intervalMs(text: string): number {
  const interval = durationMs(text);
  if (interval > 0) return interval;
  throw new InvalidArgumentError("Give a duration of more than 0, such as 30s.");
}

/** Collects a repeatable --service-cidr. */
export function collectCIDR(text: string, before: string[] = []): string[] {
  const cidr = parseCIDR(text);
  if (!cidr) throw new InvalidArgumentError("Give a CIDR such as 10.96.0.0/16.");
  return [...before, cidr];
}
