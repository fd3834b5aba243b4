// npm run campaign: faults on the real thing, drawn from a seed.

import { randomInt } from "node:crypto";
import { Command, InvalidArgumentError } from "commander";
import prepare from "../real/setup.ts";
import { type CampaignReport, runCampaign } from "./campaign.ts";
import { FAULT_KINDS } from "./faults.ts";
import { median } from "./gauges.ts";

const KINDS = FAULT_KINDS.map(
  ({ name, variants }) => `  ${name}: ${[...new Set(variants)].join(", ")}`,
);

const command = new Command("campaign")
  .description(
    "Does faults to a node that Portico serves, under traffic of every kind and while Services " +
      "change. Exits with 1 when clients lose more than a fault may cost them, when the node " +
      "does not obey its cluster again afterwards, when something grows, or when cleanup leaves " +
      "something.",
  )
  .option(
    "--seed <n>",
    "draws the faults; the same seed draws the same ones",
    wholeNumber,
    randomInt(1, 1_000_000),
  )
  .option("--faults <n>", "how many", wholeNumber, 40)
  .option("--longest <seconds>", "how long a fault may last; most are much shorter", seconds, 3)
  .option("--kinds <list>", "only these, with commas between")
  .option("--round <n>", "only this round of the same plan, as a failure names it", wholeNumber)
  .addHelpText("after", `\nKinds of faults, and their variants:\n${KINDS.join("\n")}`)
  .action(run);

interface Flags {
  seed: number;
  faults: number;
  longest: number;
  kinds?: string;
  round?: number;
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError("Give a whole number from 1 on.");
  return Number(text);
}

function seconds(text: string): number {
  const value = Number(text);
  if (!(value >= 0.5 && value <= 60)) throw new InvalidArgumentError("Give 0.5 to 60.");
  return value;
}

async function run({ seed, faults, longest, kinds = "", round }: Flags): Promise<void> {
  await prepare();
  console.log(`seed ${seed}, ${faults} faults of at most ${longest} s each`);
  const report = await runCampaign({
    seed,
    faults,
    longestMs: longest * 1000,
    kinds: kinds.split(",").filter((name) => name !== ""),
    ...(round === undefined ? {} : { round }),
    tell: console.log,
  });
  tellEnd(report);
  process.exitCode = report.failures.length === 0 ? 0 : 1;
}

function tellEnd({ faults, attempts, failures, gauges, unexpectedEnds }: CampaignReport): void {
  const names = Object.keys(gauges[0] ?? {}) as (keyof (typeof gauges)[number])[];
  for (const name of names) {
    const values = gauges.map((each) => each[name]);
    const range = `${Math.min(...values)} to ${Math.max(...values)}`;
    console.log(
      `${name}: first ${values[0]}, median ${median(values)}, last ${values.at(-1)}, ${range}`,
    );
  }
  console.log(`the controller ended by itself ${unexpectedEnds.length} times`);
  for (const line of unexpectedEnds) console.log(`  ${line}`);
  console.log(`${faults} faults, ${attempts} connections and queries, ${failures.length} failures`);
  for (const failure of failures) console.log(failure);
}

// One agent in each namespace has its errors printed.
process.stderr.setMaxListeners(64);
await command.parseAsync();
