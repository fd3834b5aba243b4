// What the table bench measured → what it says: each figure beside the most that it may be. Pure.

import { columns } from "../../../controller/cli/output.ts";
import type { SyncTimes } from "../portico-node.ts";
import { quantile, type Summary } from "../statistics.ts";
import type { ControllerMemory } from "./controller-memory.ts";
import type { LookupFigures } from "./lookup.ts";
import type { PushRun } from "./pushes.ts";

interface TableFigures {
  pushes: readonly PushRun[];
  /** With a handful of Services, and with the whole cluster. */
  controller: { small: ControllerMemory; whole: ControllerMemory };
  /** Of a small table and of a large one. */
  lookups: readonly LookupFigures[];
}

/** One figure; lower is better. */
interface Row {
  what: string;
  value: number;
  unit: "ms" | "s" | "µs" | "MB";
  /** Null where nothing is asked. */
  limit: number | null;
}

export function rowsOf(figures: TableFigures): Row[] {
  return [
    ...pushRows(figures.pushes),
    ...memoryRows(figures),
    ...figures.lookups.flatMap(lookupRows),
  ];
}

function pushRows(runs: readonly PushRun[]): Row[] {
  const full = runs.map((run) => run.full);
  const changes = runs.flatMap((run) => run.changes);
  const of = (syncs: readonly SyncTimes[], share: number, time: (times: SyncTimes) => number) =>
    quantile(syncs.map(time), share);
  return [
    row("full push: view and encoding", of(full, 0.5, toView), "ms"),
    row("full push: decided to applied", of(full, 0.5, decidedToApplied), "ms", 150),
    row("full push: sync started to applied", of(full, 0.5, toApplied), "ms"),
    row("full push: listeners and kernel besides", of(full, 0.5, afterApplied), "ms"),
    row("one endpoint: decided to applied", of(changes, 0.5, decidedToApplied), "ms", 5),
    row("one endpoint: sync started to applied", of(changes, 0.5, toApplied), "ms", 5),
    row("one endpoint: the same, 95th percentile", of(changes, 0.95, toApplied), "ms"),
  ];
}

const toView = ({ viewMs }: SyncTimes) => viewMs;
const toApplied = ({ appliedMs }: SyncTimes) => appliedMs;
const decidedToApplied = ({ viewMs, appliedMs }: SyncTimes) => appliedMs - viewMs;
const afterApplied = ({ appliedMs, totalMs }: SyncTimes) => totalMs - appliedMs;

function memoryRows({ pushes, controller: { small, whole } }: TableFigures): Row[] {
  const growth = pushes.map(({ envoyBytes }) => envoyBytes.afterFull - envoyBytes.before);
  const changed = pushes.map(({ envoyBytes }) => envoyBytes.afterChanges - envoyBytes.before);
  return [
    row("Envoy: growth by the full push", megabytes(quantile(growth, 0.5)), "MB", 15),
    row("Envoy: growth after all changes", megabytes(quantile(changed, 0.5)), "MB", 15),
    row("controller: memory once settled", megabytes(whole.settledBytes), "MB", 200),
    row("controller: most memory", megabytes(whole.peakBytes), "MB"),
    row("controller: with 10 Services, settled", megabytes(small.settledBytes), "MB"),
    row("controller: start to all programmed", whole.startSeconds, "s"),
  ];
}

function lookupRows({ services, hostUs, envoyUs }: LookupFigures): Row[] {
  const many = services.toLocaleString("en");
  return [
    row(`pick in the fake host, ${many} Services${range(hostUs)}`, hostUs.median, "µs"),
    row(`connection, CPU of Envoy, ${many} Services${range(envoyUs)}`, envoyUs.median, "µs"),
  ];
}

function range({ low, high }: Summary): string {
  return ` (quartiles ${low.toFixed(1)}–${high.toFixed(1)})`;
}

function row(what: string, value: number, unit: Row["unit"], limit: number | null = null): Row {
  return { what, value, unit, limit };
}

function megabytes(bytes: number): number {
  return bytes / 1e6;
}

export function textOf(rows: readonly Row[]): string {
  return columns([
    ["WHAT", "MEDIAN", "AT MOST", " "],
    ...rows.map(({ what, value, unit, limit }) => [
      what,
      `${value.toFixed(value < 10 ? 2 : 1)} ${unit}`,
      limit === null ? "" : `${limit} ${unit}`,
      verdict(value, limit),
    ]),
  ]);
}

function verdict(value: number, limit: number | null): string {
  if (limit === null) return " ";
  return value <= limit ? "reached" : "MISSED";
}
