// bench growth: the latency bench with few and with many Services, and what it says of each drawn
// as a plot.

import { writeFileSync } from "node:fs";
import { Command } from "commander";
import { integerBetween } from "../../../controller/config/flag-values.ts";
import { busyWarning, machine } from "../machine.ts";
import { writableFile } from "../options.ts";
import { type Plot, plotsSvg } from "../plot.ts";
import { progress } from "../progress.ts";
import { Figures, type Row, textOf } from "./figures.ts";
import { measure } from "./measure.ts";
import { PROXY_NAMES } from "./service-proxy.ts";

const SIZES: readonly number[] = [10, 100, 1_000, 10_000];
const KINDS = ["local", "service"];
/** The rows of the latency bench that are drawn, and what stands over each. */
const DRAWN: Readonly<Record<string, { title: string; y: string }>> = {
  "write → obeyed, one change every 2 s, p50": { title: "Write → connection obeys", y: "ms, p50" },
  "write → obeyed, changes without a pause, p50": {
    title: "The same, changes without a pause",
    y: "ms, p50",
  },
  "CPU of one change: local": { title: "CPU of one change of a local endpoint", y: "ms" },
  "CPU of one change: service": { title: "CPU of a Service made or deleted", y: "ms" },
  "start to first answer": { title: "Start to first answer", y: "s" },
  memory: { title: "Memory (without Envoy's)", y: "MB" },
};

interface Options {
  sizes: readonly number[];
  endpoints: number;
  rounds: number;
  svg: string;
}

/** Rows of one size. */
interface Measured {
  services: number;
  rows: readonly Row[];
}

export function growthCommand(): Command {
  return new Command("growth")
    .description("the latency bench with few and with many Services, drawn as a plot")
    .option("--sizes <list>", "numbers of Services", sizesFromText, SIZES)
    .option("--endpoints <number>", "endpoints of each Service", integerBetween(1, 100), 10)
    .option("--rounds <number>", "turns of each proxy", integerBetween(1, 100), 2)
    .option("--svg <file>", "where the plot is written", writableFile, "docs/growth.svg")
    .action(run);
}

/** "10,100" */
function sizesFromText(text: string): number[] {
  return text.split(",").map(integerBetween(2, 60_000));
}

async function run(options: Options): Promise<void> {
  const { sizes, endpoints, rounds, svg } = options;
  const warning = busyWarning();
  if (warning !== undefined) progress(warning);
  process.stdout.write(`${machine()}\n`);
  const all: Measured[] = [];
  for (const services of sizes) {
    const figures = new Figures();
    const parts = ["memory", "start", "moves", "kinds"] as const;
    const print = () => {
      const text = `${services} Services × ${endpoints}\n${textOf(figures.rows())}`;
      process.stdout.write(`\n${text}\n`);
    };
    // What has been measured is printed when it is stopped or fails, too.
    process.once("exit", print);
    await measure({ services, endpoints, rounds, churn: 0, parts, kinds: KINDS }, figures);
    process.off("exit", print);
    print();
    all.push({ services, rows: figures.rows() });
    writeFileSync(svg, plotsSvg(plotsOf(all)));
  }
}

/** One for each row that is drawn. */
export function plotsOf(all: readonly Measured[]): Plot[] {
  return Object.entries(DRAWN).map(([what, { title, y }]) => ({
    title,
    x: "Services",
    y,
    series: PROXY_NAMES.map((name) => ({
      name,
      points: all.flatMap(({ services, rows }) => {
        const value = rows.find((row) => row.what === what)?.values[name];
        return value === undefined ? [] : [[services, value] as const];
      }),
    })).filter(({ points }) => points.length > 0),
  }));
}
