// What of TCP is the operator's to set, and how Envoy gets it: the options of its sockets towards
// clients (downstream) and towards backends (upstream). Pure.
//
// The keepalives of a client or a backend end at this node, whose kernel answers them for an other
// end that may be gone. So Envoy's sockets have keepalives of their own, both ways. They are timers
// of the kernel's and cost Envoy nothing.

/** As of `portico run`; what is not set is 0 or undefined, and then the kernel's. */
export interface TcpOptions {
  /** How long a backend may take to accept. Its client sees the end of the stream afterwards. */
  connectTimeoutMs: number;
  /** Undefined: no keepalives, and an end that vanishes is never noticed while nothing is sent. */
  keepalive: TcpKeepalive | undefined;
  /** How long what was sent may stay unacknowledged; 0: as long as the sysctl tcp_retries2 says. */
  userTimeoutMs: number;
}

/** The three sysctls net.ipv4.tcp_keepalive_*, for Envoy's sockets alone. */
export interface TcpKeepalive {
  /** Of silence before the first probe. */
  timeSeconds: number;
  /** Between two probes without an answer. */
  intervalSeconds: number;
  /** Without an answer, after which the connection ends. */
  probes: number;
}

/** What the kernel takes: MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL, MAX_TCP_KEEPCNT of net/tcp.h. */
export const MOST_KEEPALIVE_SECONDS = 32_767;
export const MOST_KEEPALIVE_PROBES = 127;

/**
 * Those of Go's net package, which most programs of a cluster have themselves: for them, what
 * vanishes is noticed when it would be without Portico. An outage of two minutes ends nothing, so
 * routes may change meanwhile (BGP's hold time is 90 s), and a probe comes before connection
 * tracking forgets a half-closed connection (nf_conntrack_tcp_timeout_close_wait, 60 s).
 */
const KEEPALIVE: TcpKeepalive = { timeSeconds: 15, intervalSeconds: 15, probes: 9 };

/** kube-proxy leaves this to the client, whose SYN is repeated for about as long. */
const CONNECT_TIMEOUT_MS = 10_000;

export const DEFAULT_TCP_OPTIONS: TcpOptions = {
  connectTimeoutMs: CONNECT_TIMEOUT_MS,
  keepalive: KEEPALIVE,
  userTimeoutMs: 0,
};

/** A field of Envoy's config.core.v3.SocketOption. */
export interface SocketOption {
  description: string;
  level: number;
  name: number;
  int_value: number;
  state: "STATE_PREBIND";
}

/** Of asm-generic/socket.h, netinet/in.h and linux/tcp.h. */
export const SOL_SOCKET = 1;
const SO_KEEPALIVE = 9;
const IPPROTO_TCP = 6;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;
const TCP_USER_TIMEOUT = 18;

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
 * The listener's own field for keepalives is newer than the definitions at hand (protos.ts).
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

/** Returns TCP_USER_TIMEOUT, for either hop; none when it is the kernel's. */
export function userTimeout({ userTimeoutMs }: TcpOptions): SocketOption[] {
  if (userTimeoutMs === 0) return [];
  return [socketOption("TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT, userTimeoutMs)];
}
