// bench table

import { Command } from "commander";
import { integerBetween } from "../../../controller/config/flag-values.ts";
import { findEnvoy } from "../../../envoy/find.ts";
import { busyWarning, machine } from "../machine.ts";
import { outputOption } from "../options.ts";
import { progress } from "../progress.ts";
import { type ControllerMemory, controllerMemory } from "./controller-memory.ts";
import { type LookupFigures, measureLookups } from "./lookup.ts";
import { type PushRun, runPushes } from "./pushes.ts";
import { rowsOf, textOf } from "./report.ts";

interface TableOptions {
  services: number;
  endpoints: number;
  runs: number;
  changes: number;
  rounds: number;
  manyServices: number;
  workers: number;
  output?: string;
}

const FEW_SERVICES = 10;

export function tableCommand(): Command {
  const atLeastOne = integerBetween(1, 1_000_000);
  return new Command("table")
    .description(
      "how fast Envoy's service table follows the cluster, what it costs in memory, and whether " +
        "a lookup costs more in a large table than in a small one",
    )
    .option("--services <number>", "Services of the cluster", atLeastOne, 10_000)
    .option("--endpoints <number>", "endpoints of each", atLeastOne, 10)
    .option("--runs <number>", "full pushes, each into an Envoy of its own", atLeastOne, 5)
    .option("--changes <number>", "single endpoints that change in each run", atLeastOne, 200)
    .option("--rounds <number>", "rounds of lookups", atLeastOne, 9)
    .option("--many-services <number>", "Services of the large table", atLeastOne, 50_000)
    .option("--workers <number>", "threads of Envoy", integerBetween(1, 64), 2)
    .addOption(outputOption())
    .action(run);
}

async function run(options: TableOptions): Promise<void> {
  const before = { machine: machine(), warning: busyWarning() };
  if (before.warning !== undefined) progress(before.warning);
  const envoy = await findEnvoy(process.env, progress);
  const pushes = await allPushes(options, envoy);
  const controller = await bothControllers(options);
  const lookups = await bothLookups(options, envoy);
  const rows = rowsOf({ pushes, controller, lookups });
  const { output, ...settings } = options;
  const json = () => JSON.stringify({ ...before, settings, rows, pushes, controller, lookups });
  process.stdout.write(`${output === "json" ? json() : `${before.machine}\n\n${textOf(rows)}`}\n`);
}

async function allPushes(options: TableOptions, envoy: string): Promise<PushRun[]> {
  const { services, endpoints, runs, changes, workers } = options;
  const size = { services, endpointsEach: endpoints };
  const all: PushRun[] = [];
  for (let run = 1; run <= runs; run++) {
    progress(`push ${run} of ${runs}: ${services} Services, then ${changes} changes`);
    all.push(await runPushes({ size, envoy, workers, changes }));
  }
  return all;
}

async function bothControllers(
  options: TableOptions,
): Promise<{ small: ControllerMemory; whole: ControllerMemory }> {
  const { services, endpoints: endpointsEach } = options;
  progress("the controller with few Services, and with all");
  return {
    small: await controllerMemory({ services: FEW_SERVICES, endpointsEach }),
    whole: await controllerMemory({ services, endpointsEach }),
  };
}

function bothLookups(options: TableOptions, envoy: string): Promise<LookupFigures[]> {
  const { rounds, workers, manyServices } = options;
  progress(`lookups among ${FEW_SERVICES} and among ${manyServices} Services`);
  return measureLookups({ services: [FEW_SERVICES, manyServices], rounds, envoy, workers });
}
