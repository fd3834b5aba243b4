// portico sysctl: sets the sysctls of `portico run` where run may not set them itself. A Pod's init
// container runs this with the files mounted, so that the controller needs no such mount.

import { cpus } from "node:os";
import { Command } from "commander";
import { NETFILTER_DIRECTORY, setConntrack } from "../capture/conntrack-settings.ts";
import { disableEarlyDemux } from "../capture/early-demux.ts";
import { DEFAULT_RUN_DIR, runPaths } from "../config/run-options.ts";
import { addConntrackOptions, type ConntrackFlags } from "./conntrack-options.ts";
import { earlyDemuxOption } from "./early-demux-option.ts";
import { proxyConfigurationFromFlags } from "./proxy-options.ts";

interface Flags extends ConntrackFlags {
  config?: string;
  runDir: string;
  tcpEarlyDemuxFile: string;
  netfilterDirectory: string;
}

/** Returns the command `portico sysctl`, which needs no controller. */
export function sysctlCommand(): Command {
  const command = new Command("sysctl")
    .summary("set the sysctls that `portico run` needs")
    .description(
      "set the sysctls that `portico run` sets, where that runs in a container with read-only " +
        "/proc/sys: net.ipv4.tcp_early_demux = 0, and the connection tracking settings of the " +
        "flags and of section `conntrack` of a KubeProxyConfiguration. Keeps the previous " +
        "tcp_early_demux in the run directory, for `portico cleanup`; the other settings stay, " +
        "as with kube-proxy.\n" +
        "Exits with 1 if tcp_early_demux cannot be set; other failures are only reported.",
    )
    .option("--config <file>", "the KubeProxyConfiguration for portico run")
    .option("--run-dir <dir>", "run directory of the controller", DEFAULT_RUN_DIR)
    .addOption(earlyDemuxOption())
    .option(
      "--netfilter-directory <dir>",
      "directory of the sysctls net.netfilter.*; in a container, a mount of the host's",
      NETFILTER_DIRECTORY,
    );
  addConntrackOptions(command);
  return command.action(setSysctls);
}

async function setSysctls(flags: Flags): Promise<void> {
  const { runDir, tcpEarlyDemuxFile, netfilterDirectory } = flags;
  const { configuration } = await proxyConfigurationFromFlags(flags);
  const tracking = await setConntrack(configuration.conntrack, cpus().length, netfilterDirectory);
  for (const each of tracking.set) process.stdout.write(`set ${each}\n`);
  for (const each of tracking.problems) process.stderr.write(`${each}\n`);
  const problems = await disableEarlyDemux(runPaths(runDir).earlyDemux, tcpEarlyDemuxFile);
  if (problems.length > 0) throw new Error(problems.join("\n"));
}
