// The flags of how long connections live → TcpOptions.

import { type Command, InvalidArgumentError, Option } from "commander";
import { durationMs, integerBetween, intervalMs } from "../config.ts";
import {
  DEFAULT_TCP_OPTIONS,
  MOST_KEEPALIVE_PROBES,
  MOST_KEEPALIVE_SECONDS,
  type TcpOptions,
} from "../xds/tcp-options.ts";

/** Periods in milliseconds, except where the name says otherwise. */
export interface ConnectionFlags {
  connectTimeout: number;
  /** In seconds; 0: no keepalives. */
  tcpKeepaliveTime: number;
  /** In seconds. */
  tcpKeepaliveInterval: number;
  tcpKeepaliveProbes: number;
  tcpUserTimeout: number;
}

/** Of a sysctl's kind: how long the kernel waits at most, in milliseconds (32 bits). */
const MOST_USER_TIMEOUT_MS = 2 ** 31 - 1;

const { connectTimeoutMs, keepalive } = DEFAULT_TCP_OPTIONS;
const NO_KEEPALIVE = { timeSeconds: 0, intervalSeconds: 0, probes: 0 };
const { timeSeconds, intervalSeconds, probes } = keepalive ?? NO_KEEPALIVE;

export function addConnectionOptions(command: Command): void {
  const add = <T>(
    flags: string,
    what: string,
    parse: (text: string) => T,
    value: T,
    text: string,
  ) => command.addOption(new Option(flags, what).argParser(parse).default(value, text));
  add(
    "--connect-timeout <duration>",
    "how long a backend may take to accept a connection",
    intervalMs,
    connectTimeoutMs,
    `${connectTimeoutMs / 1_000}s`,
  );
  add(
    "--tcp-keepalive-time <duration>",
    "silence after which Envoy asks client and backend whether they are still there, as the " +
      "sysctl net.ipv4.tcp_keepalive_time; 0s: never, and one that vanishes is never noticed",
    secondsFrom(0),
    timeSeconds,
    `${timeSeconds}s`,
  );
  add(
    "--tcp-keepalive-interval <duration>",
    "how long it waits for an answer before it asks again (tcp_keepalive_intvl)",
    secondsFrom(1),
    intervalSeconds,
    `${intervalSeconds}s`,
  );
  add(
    "--tcp-keepalive-probes <n>",
    "questions without an answer after which a connection ends (tcp_keepalive_probes)",
    integerBetween(1, MOST_KEEPALIVE_PROBES),
    probes,
    String(probes),
  );
  add(
    "--tcp-user-timeout <duration>",
    "how long what Envoy sent may stay unacknowledged before the connection ends, which replaces " +
      "--tcp-keepalive-probes too; 0s: as the node's sysctl net.ipv4.tcp_retries2 says, as with " +
      "kube-proxy",
    userTimeoutFromText,
    0,
    "0s",
  );
}

export function tcpOptionsFromFlags(flags: ConnectionFlags): TcpOptions {
  const { tcpKeepaliveTime, tcpKeepaliveInterval, tcpKeepaliveProbes } = flags;
  const keepalive = {
    timeSeconds: tcpKeepaliveTime,
    intervalSeconds: tcpKeepaliveInterval,
    probes: tcpKeepaliveProbes,
  };
  return {
    connectTimeoutMs: flags.connectTimeout,
    keepalive: tcpKeepaliveTime === 0 ? undefined : keepalive,
    userTimeoutMs: flags.tcpUserTimeout,
  };
}

/** The kernel takes whole seconds. */
function secondsFrom(least: number): (text: string) => number {
  return (text) => {
    const seconds = durationMs(text) / 1_000;
    if (Number.isInteger(seconds) && seconds >= least && seconds <= MOST_KEEPALIVE_SECONDS) {
      return seconds;
    }
    throw new InvalidArgumentError(
      `Give whole seconds, from ${least}s to ${MOST_KEEPALIVE_SECONDS}s.`,
    );
  };
}

function userTimeoutFromText(text: string): number {
  const timeout = durationMs(text);
  if (Number.isInteger(timeout) && timeout <= MOST_USER_TIMEOUT_MS) return timeout;
  throw new InvalidArgumentError(`Give whole milliseconds, ${MOST_USER_TIMEOUT_MS}ms at most.`);
}
