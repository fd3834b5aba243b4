// portico bootstrap: Envoy's bootstrap, for an Envoy that Portico does not start, such as a
// container next to the controller's. The same as `portico run --with-envoy` gives its own.

import { rename, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { Command, Option } from "commander";
import { bootstrap } from "../../envoy/bootstrap.ts";
import { connectionsOfThisProcess } from "../../envoy/connection-limit.ts";
import { ENVOY_ENVIRONMENT, ENVOY_FLAGS } from "../../envoy/process.ts";
import { makeSlot, SLOTS, type Slot } from "../../envoy/slots.ts";
import { durationMs, integerBetween } from "../config/flag-values.ts";
import { DEFAULT_RUN_DIR, defaultNodeName, runPaths } from "../config/run-options.ts";
import { socketModeIn } from "../system/unix-socket.ts";

interface Flags {
  runDir: string;
  slot?: Slot;
  nodeName: string;
  maxConnections?: number;
  hungAfter: number;
  output?: string;
}

const STARTED_WITH = Object.entries(ENVOY_ENVIRONMENT)
  .map((variable) => variable.join("="))
  .join(" ");
const MOST_CONNECTIONS = 2 ** 31 - 1;

/** Returns the command `portico bootstrap`, which needs no controller. */
export function bootstrapCommand(): Command {
  return new Command("bootstrap")
    .summary("print the bootstrap for an Envoy that you start yourself")
    .description(
      "print the bootstrap for an Envoy that you start yourself, next to a `portico run` " +
        "without --with-envoy and with the same --run-dir, in the same network namespace:\n" +
        `${STARTED_WITH} envoy -c FILE ${ENVOY_FLAGS.join(" ")}\n` +
        "Envoy needs CAP_NET_ADMIN. If it runs as another user than the controller, both need a " +
        "common group that may write to the run directory; the sockets are then open to that " +
        "group.",
    )
    .option("--run-dir <dir>", "directory for the sockets; must exist", DEFAULT_RUN_DIR)
    .addOption(
      new Option(
        "--slot <slot>",
        "for one of the two Envoys of `portico run --two-envoys`; its sockets go into a " +
          "directory of that name in the run directory, which is created if needed",
      ).choices(SLOTS),
    )
    .option("--node-name <name>", "name of this node's Node object", defaultNodeName())
    .option(
      "--max-connections <n>",
      "maximum number of connections; Envoy closes further ones at once (default: as many as " +
        "the file descriptor limit of this process allows)",
      integerBetween(1, MOST_CONNECTIONS),
    )
    .addOption(
      new Option(
        "--hung-after <duration>",
        "make Envoy exit, so that its supervisor restarts it, when one of its threads is stuck " +
          "for this long (a plugin may loop); 0s: never",
      )
        .argParser(durationMs)
        .default(0, "0s"),
    )
    .option("--output <file>", "write to this file atomically instead of printing")
    .action(writeBootstrap);
}

async function writeBootstrap(flags: Flags): Promise<void> {
  const { slot } = flags;
  const whole = resolve(flags.runDir);
  runPaths(whole);
  const missing = (error: Error) => {
    throw new Error(`${error.message}; create the run directory first, or set another --run-dir`);
  };
  const runDirectory = slot ? await makeSlot(whole, slot).catch(missing) : whole;
  const socketMode = await socketModeIn(runDirectory).catch(missing);
  const maxConnections = flags.maxConnections ?? (await connectionsOfThisProcess());
  const { nodeName: nodeId, hungAfter: hungAfterMs } = flags;
  const options = { runDirectory, nodeId, maxConnections, socketMode, hungAfterMs };
  const text = `${JSON.stringify(bootstrap(options), undefined, 2)}\n`;
  if (flags.output === undefined) process.stdout.write(text);
  else await replaceFile(resolve(flags.output), text);
}

/** No reader sees half of it. It holds no secret, and its reader may be another user. */
async function replaceFile(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o644 });
  await rename(`${file}.new`, file);
}
