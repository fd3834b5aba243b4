// Settings → the xDS resources of a node, as objects (protos.ts says in which form). Pure;
// server.ts decides when to send them. udp-resources.ts makes those of UDP frontends.

import type { IPFamily } from "../model/types.ts";
import { byEcds } from "./by-ecds.ts";
import { type FlowLogOptions, tcpFlowLog } from "./flow-log.ts";
import type { Resource } from "./protos.ts";
import {
  connectAttempts,
  downstreamSocketOptions,
  SO_MARK,
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
/** … and what is added to the name of each for the one in whose VM functions run. */
const WITH_FUNCTIONS = "-functions";
/** ECDS name of the filter that carries a connection to its backend … */
const PROXY_FILTER = "portico.proxy";
/** … and of the one whose connections the kernel masquerades. */
const MASQUERADED_PROXY_FILTER = "portico.proxy-masqueraded";
/** ECDS name of the filter that answers on the table's socket; the bootstrap asks for it. */
export const TABLE_FILTER = "portico.table";
const KEEP_LISTENER = "capture-keep";
const MASQUERADE_LISTENER = "capture-masquerade";
const LOCAL_LISTENER = "capture-local";
const HOST_LISTENER = "capture-host";
const BACKENDS_CLUSTER = "backends";
const MASQUERADED_BACKENDS_CLUSTER = "backends-masqueraded";

/** Shared data belongs to a VM id: both filters and all versions of the plugin share the table. */
const VM_ID = "portico";
/** Of type URLs. */
export const EXTENSIONS = "type.googleapis.com/envoy.extensions";
export const NETWORK_WASM_TYPE = `${EXTENSIONS}.filters.network.wasm.v3.Wasm`;
export const HTTP_WASM_TYPE = `${EXTENSIONS}.filters.http.wasm.v3.Wasm`;
export const TCP_PROXY_TYPE = `${EXTENSIONS}.filters.network.tcp_proxy.v3.TcpProxy`;

/** TPROXY ports, the same numbers for both families. */
export interface CapturePorts {
  /** For connections that keep their source address. */
  keep: number;
  /** For those of the host itself, to which Envoy gives the node's address. */
  host: number;
  /** For connections that go to the local list, and keep their source address. */
  local: number;
  /** For connections that keep their source address until the kernel masquerades them. */
  masquerade: number;
}

/** The same for the listeners of connections that NAT leads to Envoy: none from the host itself. */
export type RedirectPorts = Omit<CapturePorts, "host">;

interface BackendsOptions {
  tcp: TcpOptions;
  /** SO_MARK of connections to backends; none when absent. The kernel's rules match by it. */
  mark?: number;
  /** The same for those that the kernel masquerades. */
  masqueradedMark?: number;
}

/** A plugin's code and its name, which the table endpoint reports: 12 hex digits of its SHA-256. */
export interface PluginCode {
  build: string;
  wasm: Uint8Array;
  /** What follows the build in its configuration (plugin/contexts/configuration.ts). */
  options?: readonly string[];
}

/** The kernel cuts it to net.core.somaxconn. */
const TCP_BACKLOG = 65_535;

/** The most bytes that a connection buffers, per direction, for a peer that does not read. */
const CONNECTION_BUFFER_BYTES = 256 * 1024;

/** No limit of its own: a Service proxy refuses no client. Descriptors run out first. */
const UNLIMITED = 4_000_000_000;

/**
 * How often Envoy drops addresses of "backends" that have no connections any more. An address lives
 * for one to two intervals after its last connection. A new address makes the main thread and each
 * worker copy the list of all of them, so that should happen once per backend and not every 5 s, as
 * by default: cycling through 5,000 backends cost 200 µs of CPU per connection with 2 s, and
 * nothing with 600 s. A remembered address costs 1 KB.
 */
const CLEANUP_INTERVAL_SECONDS = 600;

/**
 * Returns listeners for captured connections of the families that this node has: Envoy would refuse
 * all of them if it could not bind one. They are transparent: TPROXY hands them connections to any
 * address. They are bound to the wildcard address, because Envoy takes the address of a listener
 * that is bound to a single one for the dialled address; the kernel rules refuse clients that dial
 * the port itself (controller/capture/ruleset.ts). There are four of each family, because neither
 * the source address, nor the mark, nor the plugin's VM can be chosen per connection.
 *
 * A listener that changes ends its connections after Envoy's drain time, which is short. So what
 * may change comes by ECDS (connectionFilters), and a running Envoy keeps its listeners
 * (kept-listeners.ts).
 */
export function captureListeners(
  ports: CapturePorts,
  families: readonly IPFamily[],
  tcp: TcpOptions,
): Resource[] {
  return families.flatMap((family) => [
    captureListener({ ...KEEP, port: ports.keep }, family, tcp),
    captureListener({ ...HOST, port: ports.host }, family, tcp),
    captureListener({ ...LOCAL, port: ports.local }, family, tcp),
    captureListener({ ...MASQUERADE, port: ports.masquerade }, family, tcp),
  ]);
}

/**
 * Returns the same for connections whose port NAT has translated (capture/bridge-redirect.ts): they
 * ask connection tracking for the dialled address, which costs each about 6 µs.
 */
export function redirectListeners(
  ports: RedirectPorts,
  families: readonly IPFamily[],
  tcp: TcpOptions,
): Resource[] {
  const listeners = families.flatMap((family) => [
    captureListener({ ...KEEP, port: ports.keep }, family, tcp),
    captureListener({ ...MASQUERADE, port: ports.masquerade }, family, tcp),
    captureListener({ ...LOCAL, port: ports.local }, family, tcp),
  ]);
  return listeners.map((listener) => ({
    ...listener,
    name: String(listener.name).replace(/^capture/, "redirect"),
    listener_filters: [
      { name: "destination", typed_config: ORIGINAL_DST },
      ...(listener.listener_filters as object[]),
    ],
  }));
}

/** Returns the name of the filter with functions that does the same as this one. */
export function functionFilterOf(connectionFilter: string): string {
  return connectionFilter + WITH_FUNCTIONS;
}

/** What one capture listener does. */
interface CaptureKind {
  name: string;
  /** Whether Envoy connects from the client's address. */
  keepsSource: boolean;
  connectionFilter: string;
  proxyFilter: string;
}

const KEEP: CaptureKind = {
  name: KEEP_LISTENER,
  keepsSource: true,
  connectionFilter: CONNECTION_FILTER,
  proxyFilter: PROXY_FILTER,
};
const LOCAL: CaptureKind = {
  ...KEEP,
  name: LOCAL_LISTENER,
  connectionFilter: LOCAL_CONNECTION_FILTER,
};
const MASQUERADE: CaptureKind = {
  ...KEEP,
  name: MASQUERADE_LISTENER,
  proxyFilter: MASQUERADED_PROXY_FILTER,
};
/** A client may have 127.0.0.1, from which the kernel connects to no Pod. */
const HOST: CaptureKind = { ...KEEP, name: HOST_LISTENER, keepsSource: false };

function captureListener(
  { name, keepsSource, connectionFilter, proxyFilter, port }: CaptureKind & { port: number },
  family: IPFamily,
  tcp: TcpOptions,
): Resource {
  const isIPv4 = family === "IPv4";
  // By default an IPv6 socket of Envoy accepts no IPv4 connections.
  const address = { address: isIPv4 ? "0.0.0.0" : "::", port_value: port };
  return {
    "@type": LISTENER_TYPE,
    name: isIPv4 ? name : `${name}-ipv6`,
    address: { socket_address: address },
    transparent: { value: true },
    tcp_backlog_size: { value: TCP_BACKLOG },
    socket_options: downstreamSocketOptions(tcp),
    per_connection_buffer_limit_bytes: { value: CONNECTION_BUFFER_BYTES },
    listener_filters: keepsSource ? [{ name: "source", typed_config: ORIGINAL_SRC }] : [],
    filter_chains: [
      {
        filters: [byEcds(connectionFilter, NETWORK_WASM_TYPE), byEcds(proxyFilter, TCP_PROXY_TYPE)],
      },
    ],
  };
}

/** Mark 0: what Envoy sends has the cluster's mark, and replies return by their conntrack mark. */
const ORIGINAL_SRC: Resource = {
  "@type": `${EXTENSIONS}.filters.listener.original_src.v3.OriginalSrc`,
  mark: 0,
};

const ORIGINAL_DST: Resource = {
  "@type": `${EXTENSIONS}.filters.listener.original_dst.v3.OriginalDst`,
};

/**
 * A connection lives while both ends answer, which keepalives check; silence alone does not end it
 * (Envoy's default is an hour). kube-proxy's connections end with their conntrack entry, 24 hours
 * after the last packet; the probes renew the entries of both hops.
 */
const NO_IDLE_TIMEOUT = { seconds: 0 };

/** Returns the proxies; connections keep the configuration that they started with. */
export function proxyFilters(tcp: TcpOptions, flowLog?: FlowLogOptions): Resource[] {
  const proxy = (name: string, cluster: string) =>
    filter(name, {
      "@type": TCP_PROXY_TYPE,
      stat_prefix: "portico",
      cluster,
      idle_timeout: NO_IDLE_TIMEOUT,
      ...connectAttempts(tcp),
      ...(flowLog && { access_log: [tcpFlowLog(flowLog)] }),
    });
  return [
    proxy(PROXY_FILTER, BACKENDS_CLUSTER),
    proxy(MASQUERADED_PROXY_FILTER, MASQUERADED_BACKENDS_CLUSTER),
  ];
}

/**
 * Returns the clusters of all TCP backends: they connect where the connection filter says. There
 * are two, since a mark belongs to a cluster; Envoy counts both under one name.
 */
export function backendsClusters({ tcp, mark, masqueradedMark }: BackendsOptions): Resource[] {
  const masqueraded = backendsCluster(MASQUERADED_BACKENDS_CLUSTER, tcp, masqueradedMark);
  return [
    backendsCluster(BACKENDS_CLUSTER, tcp, mark),
    { ...masqueraded, alt_stat_name: BACKENDS_CLUSTER },
  ];
}

function backendsCluster(name: string, tcp: TcpOptions, mark: number | undefined): Resource {
  const limits = {
    max_connections: { value: UNLIMITED },
    max_pending_requests: { value: UNLIMITED },
    max_requests: { value: UNLIMITED },
    max_retries: { value: UNLIMITED },
  };
  return {
    "@type": CLUSTER_TYPE,
    name,
    type: "ORIGINAL_DST",
    lb_policy: "CLUSTER_PROVIDED",
    connect_timeout: duration(tcp.connectTimeoutMs / 1_000),
    // Otherwise a client's connection could get the upstream connection of another of its own, and
    // wait for a SYN that was lost or that a policy denied.
    connection_pool_per_downstream_connection: true,
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
 * Returns the filters of the capture listeners: the plugin's, with the callbacks of their root ids,
 * and the proxies behind them. Without flow log options, nothing is logged. `functions`: the plugin
 * with functions, for listeners that have chains for them (function-chains.ts).
 */
export function connectionFilters(
  code: PluginCode,
  tcp: TcpOptions,
  flowLog?: FlowLogOptions,
  functions?: PluginCode,
): Resource[] {
  const withFunctions = functions ? pluginFilters(functions, WITH_FUNCTIONS) : [];
  return [...pluginFilters(code, ""), ...withFunctions, ...proxyFilters(tcp, flowLog)];
}

/** One for each list. Other code makes another VM, with the same shared data (VM_ID). */
function pluginFilters(code: PluginCode, suffix: string): Resource[] {
  const [cluster, local] = [CONNECTION_FILTER + suffix, LOCAL_CONNECTION_FILTER + suffix];
  const config = pluginConfig(cluster, "connection", code);
  const localConfig = pluginConfig(local, "connection-local", code, LOCAL_VM);
  return [
    filter(cluster, { "@type": NETWORK_WASM_TYPE, config }),
    filter(local, { "@type": NETWORK_WASM_TYPE, config: localConfig }),
  ];
}

/** A different VM configuration makes another VM of the same code; the plugin does not read it. */
const LOCAL_VM = {
  configuration: {
    "@type": "type.googleapis.com/google.protobuf.StringValue",
    value: "local",
  },
};

/** Returns the table endpoint, with the callbacks of root id "table". */
export function tableFilter(code: PluginCode): Resource {
  const config = {
    ...pluginConfig(TABLE_FILTER, "table", code),
    // Otherwise StopIteration for the headers would stop the body too, and no frame would arrive.
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
    // A VM that trapped is recreated after a second; with other policies it refuses for good.
    failure_policy: "FAIL_RELOAD",
  };
}
