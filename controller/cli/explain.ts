// portico explain: the way of one connection, asked from the controller, which looks at the data
// plane and the kernel. With --try it is made too, and compared.

import { Command, Option } from "commander";
import { DEFAULT_RUN_DIR, integerBetween, runPaths } from "../config.ts";
import { EXPLAIN_PATH } from "../daemon/control-api.ts";
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

/** Exit codes besides 0 and 1: explained, but something is not as it should be. */
const DIFFERS = 2;

export function explainCommand(): Command {
  return new Command("explain")
    .argument("<target>", "NAMESPACE/NAME[:PORT][/PROTOCOL] of a Service, or ADDRESS:PORT[/udp]")
    .description(
      "tell where a connection goes from this node, and why.\n" +
        "Read from the kernel's rules and sets and from Envoy as they are, and compared with " +
        "what the controller knows. Ends with 2 when the two differ, or when --try finds " +
        "something else than explained.",
    )
    .option("--from <client>", "a Pod as NAMESPACE/NAME, or an address (default: this node)")
    .addOption(new Option("-o, --output <format>", "instead of text").choices(["json"]))
    .option("--try", "make the connection too, and compare what happens with what was explained")
    .option(
      "--netns <pid|path>",
      "make it from this network namespace: of a process, or a file such as /run/netns/NAME",
    )
    .option("--timeout <seconds>", "how long to wait for it", integerBetween(1, 60), 5)
    .option("--run-dir <dir>", "run directory of the controller", DEFAULT_RUN_DIR)
    .action(explainTarget);
}

async function explainTarget(target: string, options: ExplainOptions): Promise<void> {
  if (options.netns !== undefined && !options.try) {
    throw new Error("--netns says where --try makes the connection from: give --try too");
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
 * From the client's own namespace where --netns says which. Without, from this node: what the
 * explanation for the node itself says is then what it is compared with.
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
