// bench healing: what clients notice of backends that fail, with Portico and with kube-proxy, on
// real parts and the same objects.

import { Command } from "commander";
import { integerBetween } from "../../../controller/config/flag-values.ts";
import { busyWarning, machine } from "../machine.ts";
import { listOf, outputOption } from "../options.ts";
import { progress } from "../progress.ts";
import { DEFAULT_PEERS, PEER_NAMES, type PeerName } from "./peers.ts";
import { isOverload, type Row, textOf } from "./report.ts";
import { type Pace, SCENARIO_NAMES, SCENARIOS, type ScenarioName } from "./scenarios.ts";
import { Stand } from "./stand.ts";

interface Options extends Pace {
  peers: readonly PeerName[];
  scenarios: readonly ScenarioName[];
  output?: string;
}

export function healingCommand(action: (options: Options) => Promise<void> = run): Command {
  return new Command("healing")
    .description(
      "connections at a fixed rate, from several addresses, while backends fail: how many fail, " +
        `and how long clients wait\n\n${scenarioTexts()}`,
    )
    .option("--peers <list>", `of ${PEER_NAMES}`, listOf(PEER_NAMES), [...DEFAULT_PEERS])
    .option("--scenarios <list>", "of those above", listOf(SCENARIO_NAMES), [...SCENARIO_NAMES])
    .option("--rate <number>", "connections a second", integerBetween(1, 10_000), 1_000)
    .option("--seconds <number>", "of connections, in each scenario", integerBetween(2, 60), 10)
    .addOption(outputOption())
    .action(action);
}

function scenarioTexts(): string {
  return SCENARIO_NAMES.map((name) => `  ${name}: ${SCENARIOS[name].what}`).join("\n");
}

const OVERLOAD =
  "CLIENTS WAIT ALTHOUGH NOTHING FAILS: this machine does not carry so many connections now, and " +
  "the figures say little of the proxy; give a lower --rate, or the machine some rest";

async function run(options: Options): Promise<void> {
  const around = { machine: machine(), warning: busyWarning() };
  if (around.warning !== undefined) progress(around.warning);
  const rows: Row[] = [];
  // What has been measured is printed when it is stopped or fails, too.
  process.once("exit", () => {
    const { output, ...settings } = options;
    const text =
      output === "json"
        ? JSON.stringify({ ...around, settings, rows })
        : `${around.machine}\n\n${textOf(rows)}`;
    process.stdout.write(`${text}\n`);
  });
  const stand = await Stand.make(options);
  try {
    for (const scenario of options.scenarios) {
      progress(`${scenario}: ${SCENARIOS[scenario].what}`);
      for (const peer of stand.peers) {
        const row = await stand.turn(peer, scenario, options);
        rows.push(row);
        progress(`  ${peer.name}: ${row.tally.failed} of ${row.tally.connections} failed`);
        if (isOverload(row)) progress(OVERLOAD);
      }
    }
  } finally {
    await stand.close();
  }
}
