// portico explain: asks the controller for the way of one connection; the controller looks at the
// data plane and the kernel. With --try it also makes the connection, and compares.

import { Command, Option } from "commander";
import { integerBetween } from "../config/flag-values.ts";
import { DEFAULT_RUN_DIR, runPaths } from "../config/run-options.ts";
import { EXPLAIN_PATH } from "../control/control-api.ts";
import type { Explanation } from "../explain/explanation.ts";
import { callController } from "./control-client.ts";
import { textFromExplanation } from "./explain-text.ts";
import { type Trial, textFromTrial, tryConnection } from "./explain-try.ts";

interface ExplainOptions {
  runDir: string;
  from?: string;
  output?: string;
  try?: boolean;
  netns?: string;
  timeout: number;
}

/** Exit code, next to 0 and 1: explained, but something is not as it should be. */
const DIFFERS = 2;

/** Returns the command `portico explain`, which needs a controller that runs. */
export function explainCommand(): Command {
  return new Command("explain")
    .argument("<target>", "NAMESPACE/NAME[:PORT][/PROTOCOL] of a Service, or ADDRESS:PORT[/udp]")
    .summary("explain where a connection from this node goes, and why")
    .description(
      "explain where a connection from this node goes, and why.\n" +
        "Reads the kernel's rules and sets and Envoy's table, and compares them with what the " +
        "controller knows. Exits with 2 when they differ, or when --try finds something else " +
        "than explained.",
    )
    .option("--from <client>", "a Pod as NAMESPACE/NAME, or an address (default: this node)")
    .addOption(
      new Option("-o, --output <format>", "output format instead of text").choices(["json"]),
    )
    .option("--try", "also make the connection, and compare the result with the explanation")
    .option(
      "--netns <pid|path>",
      "make the connection from this network namespace: the PID of a process in it, or a " +
        "file such as /run/netns/NAME",
    )
    .option("--timeout <seconds>", "how long to wait for the connection", integerBetween(1, 60), 5)
    .option("--run-dir <dir>", "run directory of the controller", DEFAULT_RUN_DIR)
    .action(explainTarget);
}

async function explainTarget(target: string, options: ExplainOptions): Promise<void> {
  if (options.netns !== undefined && !options.try) {
    throw new Error("--netns sets where --try connects from: add --try");
  }
  const explanation = await ask(target, options.from, options);
  const trial = options.try ? await tried(target, explanation, options) : undefined;
  const text =
    options.output === "json"
      ? `${JSON.stringify({ ...explanation, ...(trial && { trial }) }, null, 2)}\n`
      : textFromExplanation(explanation) + (trial ? textFromTrial(trial) : "");
  process.stdout.write(text);
  const differs = explanation.disagreements.length > 0 || trial?.agrees === false;
  if (differs) process.exitCode = DIFFERS;
}

function ask(to: string, from: string | undefined, { runDir }: { runDir: string }) {
  const query = new URLSearchParams({ to, ...(from !== undefined && { from }) });
  const { controlSocket } = runPaths(runDir);
  return callController<Explanation>(controlSocket, "GET", `${EXPLAIN_PATH}?${query}`);
}

/**
 * Dials from the client's own namespace where --netns names it. Otherwise it dials from this node,
 * and compares with the explanation for the node itself.
 */
async function tried(
  target: string,
  explanation: Explanation,
  options: ExplainOptions,
): Promise<Trial> {
  const { netns, timeout } = options;
  const isOfClient = netns !== undefined || explanation.from.kind === "host";
  const expected = isOfClient ? explanation : await ask(target, undefined, options);
  return tryConnection(expected, { netns, timeoutMs: timeout * 1_000 });
}
