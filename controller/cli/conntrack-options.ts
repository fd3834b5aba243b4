// kube-proxy's flags for connection tracking, which win over the file's section `conntrack`.

import type { Command } from "commander";
import type { ConntrackSettings } from "../capture/conntrack-settings.ts";
import { durationMs, integerBetween } from "../config/flag-values.ts";

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

/** Adds the flags of ConntrackFlags; none has a default. */
export function addConntrackOptions(command: Command): void {
  command
    .option(
      "--conntrack-max-per-core <n>",
      "maximum number of connections to track per CPU core; the limit is raised to two entries " +
        "per connection, and never lowered; 0: leave it unchanged (default: 32768)",
      integerBetween(0, MOST),
    )
    .option(
      "--conntrack-min <n>",
      "minimum number of connections to track, regardless of the number of CPU cores " +
        "(default: 131072)",
      integerBetween(0, MOST),
    )
    .option(
      "--conntrack-tcp-timeout-established <duration>",
      "kernel idle timeout for established TCP connections; 0s: leave it unchanged (default: 24h)",
      durationMs,
    )
    .option(
      "--conntrack-tcp-timeout-close-wait <duration>",
      "kernel timeout for TCP connections in CLOSE_WAIT (default: 1h)",
      durationMs,
    )
    .option("--conntrack-tcp-be-liberal", "treat out-of-window TCP packets as valid")
    .option(
      "--conntrack-udp-timeout <duration>",
      "kernel timeout for UDP flows without an answer; 0s: leave it unchanged (default: 0s)",
      durationMs,
    )
    .option(
      "--conntrack-udp-timeout-stream <duration>",
      "kernel timeout for UDP flows with answers; 0s: leave it unchanged (default: 0s)",
      durationMs,
    );
}

/** Returns the settings of the file, replaced by those that a flag gives. */
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
