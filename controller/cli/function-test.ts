// portico function test: connections, made up or recorded, to a function in its linked module.

import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { compileFunction } from "../functions/compile.ts";
import {
  EXPECTED_VALUES,
  type Expectation,
  parseExpectation,
  unmet,
} from "../functions/expectations.ts";
import { problemOf } from "../functions/problem.ts";
import { randomFrom, replay } from "../functions/replay.ts";
import { makeTraffic, readFlowLog, type Traffic } from "../functions/replay-connections.ts";
import { describeReplay } from "../functions/replay-text.ts";

interface TestOptions {
  connections: number;
  clients: number;
  backends: number[];
  ipv6?: boolean;
  flowLog?: string;
  service?: string;
  seed: number;
  set: Record<string, number>;
  expect: Expectation[];
  output?: string;
}

/** Returns the subcommand. `program`: the arguments that start this command. */
export function functionTestCommand(program: readonly string[]): Command {
  return new Command("test")
    .argument("<file>", "TypeScript")
    .description(
      "replay connections on a function, and print which backends it picks, what that costs and " +
        "what fails in which line.\n" +
        "The module is the one that runs in Envoy, in the same engine; times exclude Envoy. " +
        "Exit codes: 0 as expected; 1 it does not compile, is refused, or is not as expected.",
    )
    .option("--connections <count>", "how many connections to make up", whole, 10_000)
    .option("--clients <count>", "from how many clients", whole, 250)
    .option("--backends <counts>", 'of each group, such as "8" or "8,2"', counts, [10])
    .option("--ipv6", "make up IPv6 clients and backends")
    .option("--flow-log <file>", "replay the connections of this log; see `portico run --flow-log`")
    .option("--service <service>", '"namespace/name" in the flow log; all when absent')
    .option("--seed <number>", "of all that is random", whole, 1)
    .option("--set <name=value>", "a parameter of the function; may be repeated", setting, {})
    .option("--expect <what=range>", `${EXPECTED_VALUES}; may be repeated`, expectation, [])
    .option("-o, --output <format>", "json instead of text")
    .action((file: string, options: TestOptions) => test(file, options, program));
}

async function test(file: string, options: TestOptions, program: readonly string[]) {
  const compiled = await compileFunction(file, await readFile(file, "utf8"), program);
  const problem = problemOf(file, compiled);
  if (problem !== undefined || !compiled.module) {
    process.stderr.write(problem ?? "");
    process.exitCode = 1;
    return;
  }
  const traffic = await trafficOf(options);
  const module = { ...compiled.module, parameters: options.set };
  const clock = () => process.hrtime.bigint();
  const replayed = await replay(module, traffic, options.seed, Date.now() / 1000, clock);
  const json = options.output === "json";
  process.stdout.write(
    json ? `${JSON.stringify(replayed, null, 2)}\n` : describeReplay(basename(file), replayed),
  );
  for (const each of options.expect) {
    const difference = unmet(each, replayed, traffic);
    if (difference === undefined) continue;
    process.stderr.write(`not as expected: ${difference}\n`);
    process.exitCode = 1;
  }
}

async function trafficOf(options: TestOptions): Promise<Traffic> {
  if (options.flowLog !== undefined) {
    return readFlowLog(await readFile(options.flowLog, "utf8"), options.service);
  }
  const { connections, clients, backends, ipv6 = false, seed } = options;
  return makeTraffic({ connections, clients, groups: backends, isIPv6: ipv6 }, randomFrom(seed));
}

function whole(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError("it has to be a whole number above 0");
}

function counts(text: string): number[] {
  return text.split(",").map(whole);
}

function setting(text: string, before: Record<string, number>): Record<string, number> {
  const [name = "", value = ""] = text.split("=");
  const isSwitch = value === "true" || value === "false";
  const number = isSwitch ? Number(value === "true") : Number(value);
  if (name === "" || value === "" || Number.isNaN(number)) {
    throw new InvalidArgumentError("write NAME=NUMBER, or NAME=true");
  }
  return { ...before, [name]: number };
}

function expectation(text: string, before: Expectation[]): Expectation[] {
  try {
    return [...before, parseExpectation(text)];
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}
