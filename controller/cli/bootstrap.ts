// portico bootstrap: Envoy's bootstrap, for an Envoy that somebody else starts, such as a container
// beside the controller's. The same that `portico run --with-envoy` gives its own.

import { readFile, rename, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { Command, Option } from "commander";
import { bootstrap } from "../../envoy/bootstrap.ts";
import { connectionsFor, hardDescriptorLimit } from "../../envoy/connection-limit.ts";
import { ENVOY_FLAGS } from "../../envoy/process.ts";
import { makeSlot, SLOTS, type Slot } from "../../envoy/slots.ts";
import {
  DEFAULT_RUN_DIR,
  defaultNodeName,
  durationMs,
  integerBetween,
  runPaths,
} from "../config.ts";
import { socketModeIn } from "../unix-socket.ts";

interface Flags {
  runDir: string;
  slot?: Slot;
  nodeName: string;
  maxConnections?: number;
  hungAfter: number;
  output?: string;
}

const MOST_CONNECTIONS = 2 ** 31 - 1;

export function bootstrapCommand(): Command {
  return new Command("bootstrap")
    .description(
      "print the bootstrap of an Envoy that you start yourself, beside a `portico run` without " +
        "--with-envoy and with the same --run-dir, in the same network namespace:\n" +
        `envoy -c FILE ${ENVOY_FLAGS.join(" ")}\n` +
        "It needs CAP_NET_ADMIN. As another user than the controller, it needs a group in common " +
        "with it that may write into the run directory: the sockets are for that group then.",
    )
    .option("--run-dir <dir>", "folder of the sockets, which exists already", DEFAULT_RUN_DIR)
    .addOption(
      new Option(
        "--slot <slot>",
        "for one of the two Envoys of `portico run --two-envoys`, whose sockets are in a folder " +
          "of that name in the run directory; it is made",
      ).choices(SLOTS),
    )
    .option("--node-name <name>", "name of this node's Node object", defaultNodeName())
    .option(
      "--max-connections <n>",
      "one more is closed at once (default: what the descriptors suffice for that this process " +
        "may open)",
      integerBetween(1, MOST_CONNECTIONS),
    )
    .addOption(
      new Option(
        "--hung-after <duration>",
        "Envoy ends itself, for whoever starts it to start it anew, when one of its threads " +
          "stands still for so long (a plugin may loop); 0s: never",
      )
        .argParser(durationMs)
        .default(0, "0s"),
    )
    .option("--output <file>", "write it there, in one step, instead of printing it")
    .action(writeBootstrap);
}

async function writeBootstrap(flags: Flags): Promise<void> {
  const { slot } = flags;
  const whole = resolve(flags.runDir);
  runPaths(whole);
  const missing = (error: Error) => {
    throw new Error(`${error.message}; make the run directory first, or give another --run-dir`);
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

async function connectionsOfThisProcess(): Promise<number> {
  const limits = await readFile("/proc/self/limits", "utf8");
  return connectionsFor(hardDescriptorLimit(limits));
}

/** Nobody reads half of it. It holds no secret, and its reader may be another user. */
async function replaceFile(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o644 });
  await rename(`${file}.new`, file);
}
