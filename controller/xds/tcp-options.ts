// The TCP settings of an operator, and how Envoy gets them: options of its sockets towards clients
// (downstream) and towards backends (upstream). Pure.
//
// The keepalives of a client or a backend end at this node, whose kernel answers them even if the
// other end is gone. So Envoy's sockets have keepalives of their own, both ways. They are kernel
// timers and cost Envoy nothing.

/** As in `portico run`; what is not set is 0 or undefined, and the kernel's default applies. */
export interface TcpOptions {
  /** How long a backend may take to accept. Then Envoy connects again, or its client has none. */
  connectTimeoutMs: number;
  /**
   * How often Envoy connects for one client, while no backend accepts; the plugin has each attempt
   * go to another backend. 1: to one backend only, as kube-proxy does.
   */
  connectAttempts: number;
  /** Undefined: no keepalives; a vanished end is never noticed while nothing is sent. */
  keepalive: TcpKeepalive | undefined;
  /** How long sent data may stay unacknowledged; 0: as the sysctl tcp_retries2 says. */
  userTimeoutMs: number;
}

/** The three sysctls net.ipv4.tcp_keepalive_*, for Envoy's sockets alone. */
interface TcpKeepalive {
  /** Silence before the first probe. */
  timeSeconds: number;
  /** Between two probes without an answer. */
  intervalSeconds: number;
  /** Unanswered probes after which the connection ends. */
  probes: number;
}

/** The kernel's limits: MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL, MAX_TCP_KEEPCNT of net/tcp.h. */
export const MOST_KEEPALIVE_SECONDS = 32_767;
export const MOST_KEEPALIVE_PROBES = 127;

/**
 * The values of Go's net package, which most programs in a cluster use themselves: they notice a
 * vanished peer as soon as they would without Portico. An outage of two minutes ends nothing, so
 * routes may change meanwhile (BGP's hold time is 90 s), and a probe comes before connection
 * tracking forgets a half-closed connection (nf_conntrack_tcp_timeout_close_wait, 60 s).
 */
const KEEPALIVE: TcpKeepalive = { timeSeconds: 15, intervalSeconds: 15, probes: 9 };

/** So often a plugin remembers the backends that a connection has tried (plugin/pick/tried.ts). */
export const MOST_CONNECT_ATTEMPTS = 10;

/** As long as a client waits before it repeats a SYN that was lost: it loses nothing. */
const CONNECT_TIMEOUT_MS = 1_000;
/** kube-proxy leaves this to the client, which repeats its SYN for about as long. */
const ONLY_CONNECT_TIMEOUT_MS = 10_000;

/** Returns the default of the connect timeout: all attempts together take 10 s. */
export function defaultConnectTimeoutMs(connectAttempts: number): number {
  return connectAttempts === 1 ? ONLY_CONNECT_TIMEOUT_MS : CONNECT_TIMEOUT_MS;
}

export const DEFAULT_TCP_OPTIONS: TcpOptions = {
  connectTimeoutMs: CONNECT_TIMEOUT_MS,
  connectAttempts: MOST_CONNECT_ATTEMPTS,
  keepalive: KEEPALIVE,
  userTimeoutMs: 0,
};

/** A field of Envoy's config.core.v3.SocketOption. */
export interface SocketOption {
  description: string;
  level: number;
  name: number;
  int_value?: number;
  /** Base64; a form that JSON keeps. */
  buf_value?: string;
  state: "STATE_PREBIND";
}

/** From asm-generic/socket.h, netinet/in.h and linux/tcp.h. */
export const SOL_SOCKET = 1;
export const SO_MARK = 36;
const SO_KEEPALIVE = 9;
const IPPROTO_TCP = 6;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;
const TCP_USER_TIMEOUT = 18;

/**
 * Returns a socket option that Envoy sets before it binds or connects. `level` and `name` are
 * Linux's numbers.
 */
export function socketOption(
  description: string,
  level: number,
  name: number,
  value: number,
): SocketOption {
  return { description, level, name, int_value: value, state: "STATE_PREBIND" };
}

/**
 * Returns the options of a listening socket; Linux gives them to each connection that it accepts.
 * The listener's own field for keepalives is newer than the available definitions (protos.ts).
 */
export function downstreamSocketOptions(tcp: TcpOptions): SocketOption[] {
  const { keepalive } = tcp;
  if (!keepalive) return userTimeout(tcp);
  const { timeSeconds, intervalSeconds, probes } = keepalive;
  return [
    socketOption("SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, 1),
    socketOption("TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, timeSeconds),
    socketOption("TCP_KEEPINTVL", IPPROTO_TCP, TCP_KEEPINTVL, intervalSeconds),
    socketOption("TCP_KEEPCNT", IPPROTO_TCP, TCP_KEEPCNT, probes),
    ...userTimeout(tcp),
  ];
}

/**
 * The plugin sees a failure, and sets another backend, in a tick (plugin/repick/watch.ts): without
 * a pause Envoy would make all attempts before. It draws each pause from 0 to 9 ms. Constant,
 * because the strategy is one for all connections, and is never reset.
 */
const ATTEMPT_PAUSE = { nanos: 10_000_000 };

/**
 * Attempts after the last one that goes to a backend: the plugin has them refused
 * (plugin/repick/look.ts). One would do if no attempt came before a tick.
 */
const REFUSING_ATTEMPTS = 4;

/** Returns the fields of a tcp_proxy; none for one attempt. */
export function connectAttempts({ connectAttempts: attempts }: TcpOptions): object {
  if (attempts === 1) return {};
  return {
    max_connect_attempts: { value: attempts + REFUSING_ATTEMPTS },
    backoff_options: { base_interval: ATTEMPT_PAUSE, max_interval: ATTEMPT_PAUSE },
  };
}

/** Returns the field of a cluster; none without keepalives. */
export function upstreamKeepalive({ keepalive }: TcpOptions): object {
  if (!keepalive) return {};
  const tcp_keepalive = {
    keepalive_probes: { value: keepalive.probes },
    keepalive_time: { value: keepalive.timeSeconds },
    keepalive_interval: { value: keepalive.intervalSeconds },
  };
  return { upstream_connection_options: { tcp_keepalive } };
}

/** Returns TCP_USER_TIMEOUT, for either hop; none for the kernel's default. */
export function userTimeout({ userTimeoutMs }: TcpOptions): SocketOption[] {
  if (userTimeoutMs === 0) return [];
  return [socketOption("TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT, userTimeoutMs)];
}
