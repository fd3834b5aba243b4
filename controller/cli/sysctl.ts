// portico sysctl: what `portico run` sets of the kernel's, where it may not itself. An init
// container of a Pod runs this with the file mounted, so that the controller needs no such mount.

import { Command } from "commander";
import { disableEarlyDemux } from "../capture/early-demux.ts";
import { DEFAULT_RUN_DIR, runPaths } from "../config.ts";
import { earlyDemuxOption } from "./early-demux-option.ts";

interface Flags {
  runDir: string;
  tcpEarlyDemuxFile: string;
}

export function sysctlCommand(): Command {
  return new Command("sysctl")
    .description(
      "set the one sysctl of Portico's, net.ipv4.tcp_early_demux = 0, for a `portico run` in a " +
        "container, where /proc/sys is read-only. What it was is kept in the run directory, for " +
        "`portico cleanup`.",
    )
    .option("--run-dir <dir>", "run directory of the controller", DEFAULT_RUN_DIR)
    .addOption(earlyDemuxOption())
    .action(setSysctls);
}

async function setSysctls({ runDir, tcpEarlyDemuxFile }: Flags): Promise<void> {
  const problems = await disableEarlyDemux(runPaths(runDir).earlyDemux, tcpEarlyDemuxFile);
  if (problems.length > 0) throw new Error(problems.join("\n"));
}
