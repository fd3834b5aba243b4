// bench connections

import { Command } from "commander";
import { integerBetween } from "../../../controller/config/flag-values.ts";
import { busyWarning, machine } from "../machine.ts";
import { progress } from "../progress.ts";
import { bulkCommand } from "./bulk.ts";
import { type MeasuredOptions, measuredOptions, withPeers } from "./measured.ts";
import { USUAL_PEERS } from "./peer.ts";
import { figuresOf, textOf } from "./report.ts";
import { type Loads, runRounds, type Sample } from "./rounds.ts";
import { underLoadCommand } from "./under-load.ts";

interface ConnectionsOptions extends MeasuredOptions {
  rounds: number;
  connections: number;
  requests: number;
  concurrency: number;
  services: number;
}

export function connectionsCommand(): Command {
  const atLeastOne = integerBetween(1, 10_000_000);
  const requests = integerBetween(0, 10_000_000);
  const command = new Command("connections").description(
    "new connections a second and keep-alive requests a second through each peer, one after " +
      "the other in every round, each on a node of its own made of network namespaces.\n" +
      "Ratios are of the same round; figures are medians with the quartiles.",
  );
  return measuredOptions(command, USUAL_PEERS)
    .option("--rounds <number>", "measured rounds, after one of warming up", atLeastOne, 20)
    .option("--connections <number>", "new connections a round", atLeastOne, 4_000)
    .option("--requests <number>", "keep-alive requests a round; 0: none", requests, 16_000)
    .option("--concurrency <number>", "connections at once", integerBetween(1, 2_000), 50)
    .option("--services <number>", "Services in Portico's table", atLeastOne, 1_000)
    .addCommand(bulkCommand())
    .addCommand(underLoadCommand())
    .enablePositionalOptions()
    .action(run);
}

async function run(options: ConnectionsOptions): Promise<void> {
  const before = { machine: machine(), warning: busyWarning() };
  const { rounds } = options;
  const loads = loadsOf(options);
  await withPeers(options, async ({ peers, programs }) => {
    print(await runRounds({ programs, peers, loads, rounds }), before, options);
  });
}

function loadsOf({ connections, requests, concurrency }: ConnectionsOptions): Loads {
  const requestsEach = Math.max(1, Math.round(requests / concurrency));
  return {
    new: { connections, concurrency, requestsEach: 1 },
    ...(requests > 0 && {
      "keep-alive": { connections: concurrency, concurrency, requestsEach },
    }),
  };
}

interface Conditions {
  machine: string;
  warning: string | undefined;
}

function print(samples: readonly Sample[], before: Conditions, options: ConnectionsOptions): void {
  const figures = figuresOf(samples);
  const { output, ...settings } = options;
  const json = () => JSON.stringify({ ...before, settings, figures, samples }, null, 2);
  const text = () => `${before.machine}\n\n${textOf(figures)}`;
  process.stdout.write(`${output === "json" ? json() : text()}\n`);
  if (figures.some(({ failures }) => failures > 0)) {
    progress("some connections FAILED: the figures of that peer do not count");
    process.exitCode = 1;
  }
}
