// Settings → the xDS resources of a node, as objects (protos.ts says in which form). Pure; what an
// Envoy is sent when, is server.ts's.
// Those of UDP frontends are udp-resources.ts's.

import type { IPFamily } from "../model/types.ts";
import { type FlowLogOptions, tcpFlowLog } from "./flow-log.ts";
import type { Resource } from "./protos.ts";
import {
  downstreamSocketOptions,
  SOL_SOCKET,
  type SocketOption,
  socketOption,
  type TcpOptions,
  upstreamKeepalive,
  userTimeout,
} from "./tcp-options.ts";
import { CLUSTER_TYPE, FILTER_TYPE, LISTENER_TYPE } from "./type-urls.ts";

/** ECDS name of the filter that picks a connection's backend from the cluster list … */
const CONNECTION_FILTER = "portico.connection";
/** … and of the one that picks from the local list. */
const LOCAL_CONNECTION_FILTER = "portico.connection-local";
/** ECDS name of the filter that carries a connection to its backend. */
const PROXY_FILTER = "portico.proxy";
/** ECDS name of the filter that answers on the table's socket; the bootstrap asks for it. */
export const TABLE_FILTER = "portico.table";
const KEEP_LISTENER = "capture-keep";
const MASQUERADE_LISTENER = "capture-masquerade";
const LOCAL_LISTENER = "capture-local";
const BACKENDS_CLUSTER = "backends";

/** Shared data belongs to a VM id: both filters and all versions of the plugin share the table. */
const VM_ID = "portico";
const EXTENSIONS = "type.googleapis.com/envoy.extensions";
export const NETWORK_WASM_TYPE = `${EXTENSIONS}.filters.network.wasm.v3.Wasm`;
export const HTTP_WASM_TYPE = `${EXTENSIONS}.filters.http.wasm.v3.Wasm`;
const TCP_PROXY_TYPE = `${EXTENSIONS}.filters.network.tcp_proxy.v3.TcpProxy`;

/** TPROXY ports, the same numbers for both families. */
export interface CapturePorts {
  /** For connections that keep their source address. */
  keep: number;
  masquerade: number;
  /** For connections that go to the local list, and keep their source address. */
  local: number;
}

export interface BackendsOptions {
  tcp: TcpOptions;
  /** SO_MARK of connections to backends; none when absent. The kernel's rules know them by it. */
  mark?: number;
}

/** A plugin's code and its name, which the table endpoint tells: 12 hex digits of its SHA-256. */
export interface PluginCode {
  build: string;
  wasm: Uint8Array;
  /** What follows the build in its configuration (plugin/contexts/configuration.ts). */
  options?: readonly string[];
}

/** The kernel cuts it to net.core.somaxconn. */
const TCP_BACKLOG = 65_535;

/** Most bytes that a connection holds, each way, for a peer that does not read. */
const CONNECTION_BUFFER_BYTES = 256 * 1024;

/** No limit of its own: a Service proxy refuses nobody. Descriptors are what runs out. */
const UNLIMITED = 4_000_000_000;

/**
 * How often Envoy looks for addresses of "backends" that nobody connects to any more. An address
 * lives for one to two intervals after its last connection. Meeting one anew makes the main thread
 * and each worker copy the list of all of them, so it is to happen once per backend and not every
 * 5 s, as the default has it: cycling through 5,000 backends cost 200 µs of CPU a connection with
 * 2 s, and nothing with 600 s. A remembered address costs 1 KB.
 */
const CLEANUP_INTERVAL_SECONDS = 600;

/** Of asm-generic/socket.h. */
const SO_MARK = 36;

/**
 * Listeners for captured connections of the families that this node has: one that it cannot bind
 * would have Envoy refuse them all. They are transparent: TPROXY hands them connections to any
 * address. They are bound to the wildcard address, because Envoy takes the address of a listener
 * that is bound to a single one for the address that was dialled; the kernel rules refuse whoever
 * dials the port itself (controller/capture/ruleset.ts). Three of each family, because neither
 * keeping the source address nor the plugin's VM can be chosen per connection.
 *
 * A listener that changes ends its connections after Envoy's drain time, which is short. So what
 * may change comes by ECDS (connectionFilters), and a living Envoy keeps the listeners that it has
 * (kept-listeners.ts).
 */
export function captureListeners(
  ports: CapturePorts,
  families: readonly IPFamily[],
  tcp: TcpOptions,
): Resource[] {
  const options = downstreamSocketOptions(tcp);
  const keep = [ORIGINAL_SRC];
  const [cluster, local] = [CONNECTION_FILTER, LOCAL_CONNECTION_FILTER];
  return families.flatMap((family) => [
    captureListener(KEEP_LISTENER, family, ports.keep, keep, cluster, options),
    captureListener(MASQUERADE_LISTENER, family, ports.masquerade, [], cluster, options),
    captureListener(LOCAL_LISTENER, family, ports.local, keep, local, options),
  ]);
}

/**
 * The same for connections whose port NAT has translated (capture/bridge-redirect.ts): they ask
 * connection tracking for what was dialled, which costs each about 6 µs.
 */
export function redirectListeners(
  ports: CapturePorts,
  families: readonly IPFamily[],
  tcp: TcpOptions,
): Resource[] {
  return captureListeners(ports, families, tcp).map((listener) => ({
    ...listener,
    name: String(listener.name).replace(/^capture/, "redirect"),
    listener_filters: [
      { name: "destination", typed_config: ORIGINAL_DST },
      ...(listener.listener_filters as object[]),
    ],
  }));
}

function captureListener(
  name: string,
  family: IPFamily,
  port: number,
  listenerFilters: Resource[],
  connectionFilter: string,
  socketOptions: SocketOption[],
): Resource {
  const isIPv4 = family === "IPv4";
  // An IPv6 socket of Envoy's takes no IPv4 connections unless it is told to.
  const address = { address: isIPv4 ? "0.0.0.0" : "::", port_value: port };
  return {
    "@type": LISTENER_TYPE,
    name: isIPv4 ? name : `${name}-ipv6`,
    address: { socket_address: address },
    transparent: { value: true },
    tcp_backlog_size: { value: TCP_BACKLOG },
    socket_options: socketOptions,
    per_connection_buffer_limit_bytes: { value: CONNECTION_BUFFER_BYTES },
    listener_filters: listenerFilters.map((filter) => ({ name: "source", typed_config: filter })),
    filter_chains: [
      {
        filters: [
          byEcds(connectionFilter, NETWORK_WASM_TYPE),
          byEcds(PROXY_FILTER, TCP_PROXY_TYPE),
        ],
      },
    ],
  };
}

/** Mark 0: replies come back by their conntrack mark, so Envoy need not mark what it sends. */
const ORIGINAL_SRC: Resource = {
  "@type": `${EXTENSIONS}.filters.listener.original_src.v3.OriginalSrc`,
  mark: 0,
};

const ORIGINAL_DST: Resource = {
  "@type": `${EXTENSIONS}.filters.listener.original_dst.v3.OriginalDst`,
};

/** Stands for what comes by ECDS. Without a timeout: no connection is served without it. */
function byEcds(name: string, typeUrl: string): object {
  return {
    name,
    config_discovery: {
      config_source: {
        ads: {},
        resource_api_version: "V3",
        initial_fetch_timeout: { seconds: 0 },
      },
      type_urls: [typeUrl],
    },
  };
}

/**
 * A connection lives as long as both ends answer, which keepalives find out; silence alone ends
 * none (Envoy's default is an hour). kube-proxy's end with their conntrack entry, 24 hours after
 * the last packet; the probes renew the entries of both hops.
 */
const NO_IDLE_TIMEOUT = { seconds: 0 };

/** Connections keep the configuration that they began with. */
export function proxyFilter(flowLog?: FlowLogOptions): Resource {
  return filter(PROXY_FILTER, {
    "@type": TCP_PROXY_TYPE,
    stat_prefix: "portico",
    cluster: BACKENDS_CLUSTER,
    idle_timeout: NO_IDLE_TIMEOUT,
    ...(flowLog && { access_log: [tcpFlowLog(flowLog)] }),
  });
}

/** The one cluster of all TCP backends: it connects to where the connection filter says. */
export function backendsCluster({ tcp, mark }: BackendsOptions): Resource {
  const limits = {
    max_connections: { value: UNLIMITED },
    max_pending_requests: { value: UNLIMITED },
    max_requests: { value: UNLIMITED },
    max_retries: { value: UNLIMITED },
  };
  return {
    "@type": CLUSTER_TYPE,
    name: BACKENDS_CLUSTER,
    type: "ORIGINAL_DST",
    lb_policy: "CLUSTER_PROVIDED",
    connect_timeout: duration(tcp.connectTimeoutMs / 1_000),
    cleanup_interval: { seconds: CLEANUP_INTERVAL_SECONDS },
    per_connection_buffer_limit_bytes: { value: CONNECTION_BUFFER_BYTES },
    circuit_breakers: { thresholds: [limits] },
    ...upstreamKeepalive(tcp),
    ...boundWith([...markOption(mark), ...userTimeout(tcp)]),
  };
}

function markOption(mark: number | undefined): SocketOption[] {
  return mark === undefined ? [] : [socketOption("SO_MARK", SOL_SOCKET, SO_MARK, mark)];
}

function boundWith(socketOptions: SocketOption[]): object {
  if (socketOptions.length === 0) return {};
  return { upstream_bind_config: { socket_options: socketOptions } };
}

function duration(seconds: number): object {
  const whole = Math.floor(seconds);
  return { seconds: whole, nanos: Math.round((seconds - whole) * 1e9) };
}

/**
 * The filters of the capture listeners: the plugin's, whose callbacks are those of the root ids,
 * and the proxy behind them. Without flow log options, nothing is logged.
 */
export function connectionFilters(code: PluginCode, flowLog?: FlowLogOptions): Resource[] {
  const cluster = pluginConfig(CONNECTION_FILTER, "connection", code);
  const local = pluginConfig(LOCAL_CONNECTION_FILTER, "connection-local", code, LOCAL_VM);
  return [
    filter(CONNECTION_FILTER, { "@type": NETWORK_WASM_TYPE, config: cluster }),
    filter(LOCAL_CONNECTION_FILTER, { "@type": NETWORK_WASM_TYPE, config: local }),
    proxyFilter(flowLog),
  ];
}

/** A VM configuration makes another VM of the same code; the plugin does not read it. */
const LOCAL_VM = {
  configuration: {
    "@type": "type.googleapis.com/google.protobuf.StringValue",
    value: "local",
  },
};

/** The table endpoint; its callbacks are those of root id "table". */
export function tableFilter(code: PluginCode): Resource {
  const config = {
    ...pluginConfig(TABLE_FILTER, "table", code),
    // Or StopIteration for the headers would stop the body as well, and no frame would arrive.
    allow_on_headers_stop_iteration: { value: true },
  };
  return filter(TABLE_FILTER, { "@type": HTTP_WASM_TYPE, config });
}

function filter(name: string, config: Resource): Resource {
  return { "@type": FILTER_TYPE, name, typed_config: config };
}

function pluginConfig(name: string, rootId: string, code: PluginCode, ownVM: object = {}): object {
  return {
    name,
    root_id: rootId,
    vm_config: {
      vm_id: VM_ID,
      runtime: "envoy.wasm.runtime.v8",
      code: { local: { inline_bytes: Buffer.from(code.wasm) } },
      ...ownVM,
    },
    configuration: {
      "@type": "type.googleapis.com/google.protobuf.StringValue",
      value: [code.build, ...(code.options ?? [])].join(","),
    },
    // A VM that trapped is made anew after a second; the other policies refuse for ever.
    failure_policy: "FAIL_RELOAD",
  };
}
