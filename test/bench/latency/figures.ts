// What was measured of each proxy → rows with a figure for each and their ratio. Pure.

import { columns } from "../../../controller/cli/output.ts";
import { quantile } from "../statistics.ts";
import { PROXY_NAMES, type ProxyName } from "./service-proxy.ts";

type Unit = "ms" | "s" | "MB" | "of a core" | "";
/** What a row says of the samples: p50 and p90 are quantiles. */
type Statistic = "p50" | "p90" | "max";

interface Series {
  what: string;
  unit: Unit;
  statistics: readonly Statistic[];
  samples: Map<ProxyName, number[]>;
}

export interface Row {
  what: string;
  unit: Unit;
  values: Partial<Record<ProxyName, number>>;
  /** Portico's by each other's. */
  ratios: Partial<Record<ProxyName, number>>;
}

const OF: Record<Statistic, (samples: readonly number[]) => number> = {
  p50: (samples) => quantile(samples, 0.5),
  p90: (samples) => quantile(samples, 0.9),
  max: (samples) => quantile(samples, 1),
};

export class Figures {
  readonly #series = new Map<string, Series>();

  /** Rows stand in the order in which their first sample came. */
  add(
    proxy: ProxyName,
    what: string,
    unit: Unit,
    sample: number,
    statistics: readonly Statistic[] = ["p50"],
  ): void {
    const series = this.#series.get(what) ?? { what, unit, statistics, samples: new Map() };
    this.#series.set(what, series);
    series.samples.set(proxy, [...(series.samples.get(proxy) ?? []), sample]);
  }

  rows(): Row[] {
    return [...this.#series.values()].flatMap((series) =>
      series.statistics.map((statistic) => rowOf(series, statistic)),
    );
  }
}

function rowOf({ what, unit, statistics, samples }: Series, statistic: Statistic): Row {
  const values: Row["values"] = {};
  for (const [proxy, list] of samples) values[proxy] = OF[statistic](list);
  const ratios: Row["ratios"] = {};
  const { portico, ...others } = values;
  for (const [proxy, value] of Object.entries(others)) {
    if (portico !== undefined && value !== 0) ratios[proxy as ProxyName] = portico / value;
  }
  const name = statistics.length === 1 ? what : `${what}, ${statistic}`;
  return { what: name, unit, values, ratios };
}

/** With a column for each proxy that was measured, and for Portico's ratio to each other one. */
export function textOf(rows: readonly Row[]): string {
  const measured = PROXY_NAMES.filter((name) => rows.some(({ values }) => name in values));
  const others = measured.filter((name) => name !== "portico" && measured.includes("portico"));
  return columns([
    ["WHAT", ...measured, ...others.map((name) => `BY ${name}`)],
    ...rows.map(({ what, unit, values, ratios }) => [
      what,
      ...measured.map((name) => shown(values[name], unit)),
      ...others.map((name) => ratios[name]?.toFixed(3) ?? ""),
    ]),
  ]);
}

function shown(value: number | undefined, unit: Unit): string {
  if (value === undefined) return "";
  return `${value.toFixed(Math.abs(value) < 10 ? 2 : 0)} ${unit}`.trim();
}
