// bench latency: from a write to the API server to the first connection that obeys, and what a
// change costs, on real parts; kube-proxy beside Portico on the same objects.

import { Command, Option } from "commander";
import { integerBetween } from "../../../controller/config/flag-values.ts";
import { busyWarning, machine } from "../machine.ts";
import { builtCommand, listOf, outputOption, writableFile } from "../options.ts";
import { progress } from "../progress.ts";
import { Figures, textOf } from "./figures.ts";
import { KINDS } from "./kinds.ts";
import { type MeasureOptions, measure, measureFew, PARTS } from "./measure.ts";

interface Options extends MeasureOptions {
  output?: string;
}

export function latencyCommand(): Command {
  return new Command("latency")
    .description(
      "from a write to the API server to the first connection that obeys, CPU of each kind of " +
        "change, start and memory, of Portico and kube-proxy in turn",
    )
    .option("--services <number>", "Services of the cluster", integerBetween(1, 60_000), 10_000)
    .option("--endpoints <number>", "endpoints of each", integerBetween(1, 100), 10)
    .option("--rounds <number>", "turns of each proxy", integerBetween(1, 100), 3)
    .option("--churn <number>", "other changes a second", integerBetween(1, 1_000), 50)
    .addOption(new Option("--only <proxy>", "measure one alone").choices(["portico", "kube-proxy"]))
    .option(
      "--before <file>",
      "another build/portico, which is measured in turn with this one",
      builtCommand,
    )
    .option("--parts <list>", `of ${PARTS}`, listOf(PARTS), [...PARTS])
    .option("--kinds <list>", "of change", listOf(Object.keys(KINDS)), Object.keys(KINDS))
    .option(
      "--profile <file>",
      "write a CPU profile of Portico's controller in all turns. Taking it costs CPU too (at " +
        "rest about 0.14 of a core), so this run's figures do not count",
      writableFile,
    )
    .addOption(outputOption())
    .action(run);
}

async function run(options: Options): Promise<void> {
  const around = { machine: machine(), warning: busyWarning() };
  if (around.warning !== undefined) progress(around.warning);
  const figures = new Figures();
  // What has been measured is printed when it is stopped or fails, too.
  process.once("exit", () => {
    const rows = figures.rows();
    const { output, ...settings } = options;
    const text =
      output === "json"
        ? JSON.stringify({ ...around, settings, rows })
        : `${around.machine}\n\n${textOf(rows)}`;
    process.stdout.write(`${text}\n`);
  });
  if (options.parts.includes("memory")) await measureFew(options, figures);
  await measure(options, figures);
}
