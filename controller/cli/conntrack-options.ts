// kube-proxy's flags of connection tracking, which win over the file's section `conntrack`.

import type { Command } from "commander";
import type { ConntrackSettings } from "../capture/conntrack-settings.ts";
import { durationMs, integerBetween } from "../config.ts";

/** None has a default: absent means not given. Periods in milliseconds. */
export interface ConntrackFlags {
  conntrackMaxPerCore?: number;
  conntrackMin?: number;
  conntrackTcpTimeoutEstablished?: number;
  conntrackTcpTimeoutCloseWait?: number;
  conntrackTcpBeLiberal?: true;
  conntrackUdpTimeout?: number;
  conntrackUdpTimeoutStream?: number;
}

const MOST = 2 ** 31 - 1;

export function addConntrackOptions(command: Command): void {
  command
    .option(
      "--conntrack-max-per-core <n>",
      "connections that the kernel tracks at most, for each CPU; the limit is raised to two " +
        "entries for each, and never lowered; 0: left as it is (default: 32768)",
      integerBetween(0, MOST),
    )
    .option(
      "--conntrack-min <n>",
      "connections at least, however few CPUs there are (default: 131072)",
      integerBetween(0, MOST),
    )
    .option(
      "--conntrack-tcp-timeout-established <duration>",
      "idle timeout of the kernel for established connections; 0s: left as it is (default: 24h)",
      durationMs,
    )
    .option(
      "--conntrack-tcp-timeout-close-wait <duration>",
      "the same for connections that one end has closed (default: 1h)",
      durationMs,
    )
    .option("--conntrack-tcp-be-liberal", "accept TCP packets outside of the window")
    .option(
      "--conntrack-udp-timeout <duration>",
      "the same for UDP flows without an answer (default: 0s)",
      durationMs,
    )
    .option(
      "--conntrack-udp-timeout-stream <duration>",
      "the same for UDP flows with answers (default: 0s)",
      durationMs,
    );
}

export function conntrackFromFlags(
  file: ConntrackSettings,
  flags: ConntrackFlags,
): ConntrackSettings {
  return {
    maxPerCore: flags.conntrackMaxPerCore ?? file.maxPerCore,
    min: flags.conntrackMin ?? file.min,
    tcpEstablishedTimeoutMs: flags.conntrackTcpTimeoutEstablished ?? file.tcpEstablishedTimeoutMs,
    tcpCloseWaitTimeoutMs: flags.conntrackTcpTimeoutCloseWait ?? file.tcpCloseWaitTimeoutMs,
    tcpBeLiberal: flags.conntrackTcpBeLiberal ?? file.tcpBeLiberal,
    udpTimeoutMs: flags.conntrackUdpTimeout ?? file.udpTimeoutMs,
    udpStreamTimeoutMs: flags.conntrackUdpTimeoutStream ?? file.udpStreamTimeoutMs,
  };
}
