// The flags for how long connections live → TcpOptions.

import { type Command, InvalidArgumentError, Option } from "commander";
import { durationMs, integerBetween, intervalMs } from "../config/flag-values.ts";
import {
  DEFAULT_TCP_OPTIONS,
  defaultConnectTimeoutMs,
  MOST_CONNECT_ATTEMPTS,
  MOST_KEEPALIVE_PROBES,
  MOST_KEEPALIVE_SECONDS,
  type TcpOptions,
} from "../xds/tcp-options.ts";

/** Periods in milliseconds, except where the name says otherwise. */
export interface ConnectionFlags {
  /** Absent: the default, which depends on the number of attempts. */
  connectTimeout?: number;
  connectAttempts: number;
  /** In seconds; 0: no keepalives. */
  tcpKeepaliveTime: number;
  /** In seconds. */
  tcpKeepaliveInterval: number;
  tcpKeepaliveProbes: number;
  tcpUserTimeout: number;
}

/** No client waits longer, and ten attempts are within the milliseconds that timers take. */
const MOST_CONNECT_TIMEOUT_MS = 3_600_000;

/** The longest that the kernel can wait, in milliseconds (32 bits, as for a sysctl). */
const MOST_USER_TIMEOUT_MS = 2 ** 31 - 1;

const { connectAttempts, keepalive } = DEFAULT_TCP_OPTIONS;
const NO_KEEPALIVE = { timeSeconds: 0, intervalSeconds: 0, probes: 0 };
const { timeSeconds, intervalSeconds, probes } = keepalive ?? NO_KEEPALIVE;

/** Adds the flags of ConnectionFlags. */
export function addConnectionOptions(command: Command): void {
  const add = <T>(
    flags: string,
    what: string,
    parse: (text: string) => T,
    value: T,
    text: string,
  ) => command.addOption(new Option(flags, what).argParser(parse).default(value, text));
  // Its default is not a value, so commander would not show it.
  command.option(
    "--connect-timeout <duration>",
    "time limit for a backend to accept a connection, for each attempt " +
      `(default: ${seconds(connectAttempts)}; ${seconds(1)} with --connect-attempts 1)`,
    connectTimeoutFromText,
  );
  add(
    "--connect-attempts <n>",
    "how often Envoy connects for one client until a backend accepts, each time to another one " +
      "of the Service where it has one; 1: to one backend only, as with kube-proxy",
    integerBetween(1, MOST_CONNECT_ATTEMPTS),
    connectAttempts,
    String(connectAttempts),
  );
  add(
    "--tcp-keepalive-time <duration>",
    "idle time after which Envoy sends keepalive probes to client and backend, like the sysctl " +
      "net.ipv4.tcp_keepalive_time; 0s: never, so a peer that vanishes goes unnoticed",
    secondsFrom(0),
    timeSeconds,
    `${timeSeconds}s`,
  );
  add(
    "--tcp-keepalive-interval <duration>",
    "time between two keepalive probes (tcp_keepalive_intvl)",
    secondsFrom(1),
    intervalSeconds,
    `${intervalSeconds}s`,
  );
  add(
    "--tcp-keepalive-probes <n>",
    "number of unanswered keepalive probes after which a connection is closed " +
      "(tcp_keepalive_probes)",
    integerBetween(1, MOST_KEEPALIVE_PROBES),
    probes,
    String(probes),
  );
  add(
    "--tcp-user-timeout <duration>",
    "how long sent data may stay unacknowledged before the connection is closed; replaces " +
      "--tcp-keepalive-probes too; 0s: use the node's sysctl net.ipv4.tcp_retries2, as with " +
      "kube-proxy",
    userTimeoutFromText,
    0,
    "0s",
  );
}

/** Returns the options that the flags mean; a keepalive time of 0 means no keepalives. */
export function tcpOptionsFromFlags(flags: ConnectionFlags): TcpOptions {
  const { connectAttempts: attempts, connectTimeout } = flags;
  const { tcpKeepaliveTime, tcpKeepaliveInterval, tcpKeepaliveProbes } = flags;
  const keepalive = {
    timeSeconds: tcpKeepaliveTime,
    intervalSeconds: tcpKeepaliveInterval,
    probes: tcpKeepaliveProbes,
  };
  return {
    connectTimeoutMs: connectTimeout ?? defaultConnectTimeoutMs(attempts),
    connectAttempts: attempts,
    keepalive: tcpKeepaliveTime === 0 ? undefined : keepalive,
    userTimeoutMs: flags.tcpUserTimeout,
  };
}

function seconds(attempts: number): string {
  return `${defaultConnectTimeoutMs(attempts) / 1_000}s`;
}

function connectTimeoutFromText(text: string): number {
  const timeout = intervalMs(text);
  if (timeout <= MOST_CONNECT_TIMEOUT_MS) return timeout;
  throw new InvalidArgumentError(`${text} is too long: give 1h at most.`);
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
