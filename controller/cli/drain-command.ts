// portico drain: the controller stops capturing, and Envoy's connections get time to end.

import { Command, Option } from "commander";
import { durationMs } from "../config/flag-values.ts";
import { DEFAULT_RUN_DIR, runPaths } from "../config/run-options.ts";
import { DRAIN_PATH } from "../control/control-api.ts";
import { callController } from "./control-client.ts";
import { adminSocketsIn, drained } from "./drain.ts";

interface Flags {
  runDir: string;
  limit: number;
}

/** Returns the command `portico drain`, which needs a controller that runs. */
export function drainCommand(): Command {
  return new Command("drain")
    .summary("hand new connections to another proxy, and wait for open ones")
    .description(
      "hand new connections to another proxy that is ready on this node (kube-proxy), and wait " +
        "until connections through Envoy have ended and the kernel has forgotten the UDP flows " +
        "(nf_conntrack_udp_timeout_stream, 120 s).\n" +
        "Use it before you remove a Portico that cannot be stopped first: a Pod. The controller " +
        "keeps running, but captures nothing until it restarts. Exits with 1 if connections are " +
        "left after the limit. Without another proxy, Services stop answering.",
    )
    .addOption(
      new Option("--limit <duration>", "maximum time to wait")
        .argParser(durationMs)
        .default(durationMs("10m"), "10m"),
    )
    .option("--run-dir <dir>", "run directory of the controller", DEFAULT_RUN_DIR)
    .action(drain);
}

async function drain({ runDir, limit }: Flags): Promise<void> {
  const tell = (line: string) => void process.stdout.write(`${line}\n`);
  await callController<object>(runPaths(runDir).controlSocket, "PUT", DRAIN_PATH);
  tell("capturing stopped; waiting for connections through Envoy to end");
  const adminSockets = await adminSocketsIn(runDir);
  const isEmpty = await drained({ limitMs: limit, adminSockets, tell });
  if (isEmpty) tell("no connections through Envoy are left");
  else process.exitCode = 1;
}
