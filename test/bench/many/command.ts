// bench many: what connections cost that are open all at once, from one to as many as are wanted.

import { writeFileSync } from "node:fs";
import { Command } from "commander";
import { columns } from "../../../controller/cli/output.ts";
import { integerBetween } from "../../../controller/config/flag-values.ts";
import { connectionsOfThisProcess } from "../../../envoy/connection-limit.ts";
import {
  type MeasuredOptions,
  measuredOptions,
  printed,
  withPeers,
} from "../connections/measured.ts";
import type { Peer } from "../connections/peer.ts";
import { writableFile } from "../options.ts";
import { type Plot, plotsSvg } from "../plot.ts";
import { progress } from "../progress.ts";
import { growthOf, type Step } from "./growth.ts";

interface ManyOptions extends MeasuredOptions {
  connections: number;
  svg?: string;
}

/** The command `bench many`. */
export function manyCommand(): Command {
  const command = new Command("many").description(
    "connections that are open all at once, one peer after the other: memory of the proxy and of " +
      "the kernel, descriptors, CPU for a new one and for a request while the others are open, " +
      "and whether all are still answered at the end",
  );
  return measuredOptions(command)
    .option("--connections <number>", "the most", integerBetween(10, 60_000), 50_000)
    .option("--svg <file>", "draw the growth into this file", writableFile)
    .action(run);
}

async function run(options: ManyOptions): Promise<void> {
  // Portico's Envoy has the limits of this process.
  const most = Math.min(options.connections, await connectionsOfThisProcess());
  if (most < options.connections) {
    progress(
      `ONLY ${most} CONNECTIONS AND NOT ${options.connections}: a process may open no more files ` +
        "here for Envoy to carry more (ulimit -Hn)",
    );
  }
  const steps = stepsUpTo(most);
  const all: Step[] = [];
  await withPeers(options, async ({ peers, programs }) => {
    for (const peer of peers) all.push(...(await growthOf(peer, programs, steps)));
    printed(options, all, textOf(all, peers));
    if (options.svg !== undefined) writeFileSync(options.svg, plotsSvg(plotsOf(all, peers)));
    if (all.some(({ lost }) => lost > 0)) {
      progress("some connections were LOST: the figures of that peer do not count");
      process.exitCode = 1;
    }
  });
}

/** 1, 10, 100 … and the last. */
function stepsUpTo(most: number): number[] {
  const powers = Array.from({ length: 6 }, (_, power) => 10 ** power);
  return [...powers.filter((count) => count < most), most];
}

const HEADING = [
  ...["OPEN", "PEER", "PROXY'S MEMORY MB", "KB EACH", "KERNEL KB EACH", "DESCRIPTORS EACH"],
  ...["CPU µs/NEW", "CPU µs/REQUEST", "P50 µs", "P99 µs", "LOST"],
];

function textOf(all: readonly Step[], peers: readonly Peer[]): string {
  const counts = [...new Set(all.map(({ open }) => open))];
  const rows = counts.flatMap((count) =>
    peers.flatMap(({ name }) => all.filter(({ open, peer }) => open === count && peer === name)),
  );
  return columns([HEADING, ...rows.map(rowOf)]);
}

function rowOf(step: Step): string[] {
  const { proxy } = step;
  const perEach = (bytes: number) => (bytes / 1_024 / step.open).toFixed(1);
  const known = step.open >= 1_000;
  return [
    String(step.open),
    step.peer,
    proxy === undefined ? "" : (proxy.residentBytes / 1e6).toFixed(1),
    proxy === undefined || !known ? "" : perEach(proxy.grownBytes),
    known ? perEach(step.kernelBytes) : "",
    proxy === undefined || !known ? "" : (proxy.descriptors / step.open).toFixed(2),
    proxy === undefined ? "" : proxy.newUs.toFixed(0),
    proxy === undefined ? "" : proxy.requestUs.toFixed(0),
    String(step.latencyUs.p50),
    String(step.latencyUs.p99),
    String(step.lost),
  ];
}

function plotsOf(all: readonly Step[], peers: readonly Peer[]): Plot[] {
  const plot = (title: string, y: string, value: (step: Step) => number | undefined): Plot => ({
    title,
    x: "connections open",
    y,
    series: peers
      .map(({ name }) => ({ name, points: pointsOf(all, name, value) }))
      .filter(({ points }) => points.length > 0),
  });
  return [
    plot("Memory of the proxy", "MB", ({ proxy }) => proxy && proxy.residentBytes / 1e6),
    plot("Memory of the kernel, both hops", "MB", ({ kernelBytes, open }) =>
      open < 100 ? undefined : kernelBytes / 1e6,
    ),
    plot("CPU of the proxy for a new connection", "µs", ({ proxy }) => proxy?.newUs),
    plot("A request on one of them", "µs, median", ({ latencyUs }) => latencyUs.p50),
  ];
}

function pointsOf(
  all: readonly Step[],
  name: string,
  value: (step: Step) => number | undefined,
): [number, number][] {
  return all
    .filter(({ peer }) => peer === name)
    .flatMap((step) => {
      const y = value(step);
      return y === undefined ? [] : [[step.open, y] as [number, number]];
    });
}
