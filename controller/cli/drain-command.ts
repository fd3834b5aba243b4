// portico drain: the controller captures nothing more, and Envoy's connections have time to end.

import { Command, Option } from "commander";
import { DEFAULT_RUN_DIR, durationMs, runPaths } from "../config.ts";
import { DRAIN_PATH } from "../daemon/control-api.ts";
import { callController } from "./control-client.ts";
import { adminSocketsIn, drained } from "./drain.ts";

interface Flags {
  runDir: string;
  limit: number;
}

export function drainCommand(): Command {
  return new Command("drain")
    .description(
      "leave new connections to another proxy (kube-proxy) that stands ready on this node, and " +
        "wait until those through Envoy have ended and the kernel has forgotten the UDP flows " +
        "(nf_conntrack_udp_timeout_stream, 120 s).\n" +
        "For a Portico that is to be removed, and cannot be stopped first: a Pod. The controller " +
        "runs on and captures nothing more until it is started anew. Exit code 1 when something " +
        "is left after the limit. Without another proxy, Services do not answer any more.",
    )
    .addOption(
      new Option("--limit <duration>", "wait at most this long")
        .argParser(durationMs)
        .default(durationMs("10m"), "10m"),
    )
    .option("--run-dir <dir>", "run directory of the controller", DEFAULT_RUN_DIR)
    .action(drain);
}

async function drain({ runDir, limit }: Flags): Promise<void> {
  const tell = (line: string) => void process.stdout.write(`${line}\n`);
  await callController<object>(runPaths(runDir).controlSocket, "PUT", DRAIN_PATH);
  tell("nothing is captured any more; waiting for what goes through Envoy");
  const adminSockets = await adminSocketsIn(runDir);
  const isEmpty = await drained({ limitMs: limit, adminSockets, tell });
  if (isEmpty) tell("nothing goes through Envoy any more");
  else process.exitCode = 1;
}
