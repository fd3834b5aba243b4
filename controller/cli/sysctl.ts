// portico sysctl: what `portico run` sets of the kernel's, where it may not itself. An init
// container of a Pod runs this with the files mounted, so that the controller needs no such mount.

import { cpus } from "node:os";
import { Command } from "commander";
import { NETFILTER_DIRECTORY, setConntrack } from "../capture/conntrack-settings.ts";
import { disableEarlyDemux } from "../capture/early-demux.ts";
import { DEFAULT_RUN_DIR, runPaths } from "../config.ts";
import { addConntrackOptions, type ConntrackFlags } from "./conntrack-options.ts";
import { earlyDemuxOption } from "./early-demux-option.ts";
import { proxyConfigurationFromFlags } from "./proxy-options.ts";

interface Flags extends ConntrackFlags {
  config?: string;
  runDir: string;
  tcpEarlyDemuxFile: string;
  netfilterDirectory: string;
}

export function sysctlCommand(): Command {
  const command = new Command("sysctl")
    .description(
      "set the sysctls that `portico run` sets, for one in a container, where /proc/sys is " +
        "read-only: net.ipv4.tcp_early_demux = 0, and those of connection tracking that the " +
        "flags and the section `conntrack` of a KubeProxyConfiguration say. What the first was " +
        "is kept in the run directory, for `portico cleanup`; the others stay, as kube-proxy's " +
        "do. " +
        "Exit code: 1 when the first cannot be set; what else cannot is only reported.",
    )
    .option("--config <file>", "the KubeProxyConfiguration that portico run gets")
    .option("--run-dir <dir>", "run directory of the controller", DEFAULT_RUN_DIR)
    .addOption(earlyDemuxOption())
    .option(
      "--netfilter-directory <dir>",
      "where the sysctls net.netfilter.* are set; in a container a mount of the host's",
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
