// Run directory and node id → Envoy's bootstrap, as the object of its JSON. Pure. It contains what
// never changes while Envoy runs; everything else comes by xDS (controller/xds/resources.ts).
//
// All its sockets are Unix sockets in the run directory: Envoy's only TCP ports are those on which
// it captures connections.

import { join } from "node:path";
import { HTTP_WASM_TYPE, TABLE_FILTER } from "../controller/xds/resources.ts";
import { MAX_FRAME_BYTES } from "../plugin/wire/layout.ts";

interface BootstrapOptions {
  runDirectory: string;
  /** Name of the node, as Envoy reports it to the controller. */
  nodeId: string;
  /** The most connections at a time; Envoy closes further ones as soon as it accepts them. */
  maxConnections: number;
  /** Mode of Envoy's own sockets (socketModeIn in controller/system/unix-socket.ts). */
  socketMode: number;
  /** Envoy ends itself when one of its threads hangs for this long; absent or 0: never. */
  hungAfterMs?: number;
}

export const ADMIN_SOCKET = "admin.sock";
export const TABLE_SOCKET = "table.sock";
export const XDS_SOCKET = "xds.sock";

const XDS_CLUSTER = "xds";
const RESOURCE_MONITORS = "type.googleapis.com/envoy.extensions.resource_monitors";
const EXTENSIONS = "type.googleapis.com/envoy.extensions";

/**
 * Returns the bootstrap, to be written as JSON. `runDirectory` is this Envoy's: a slot's, where
 * there are slots.
 */
export function bootstrap(options: BootstrapOptions): object {
  const { runDirectory, nodeId, maxConnections, socketMode, hungAfterMs = 0 } = options;
  const pipe = (name: string) => ({ pipe: { path: join(runDirectory, name), mode: socketMode } });
  return {
    node: { id: nodeId, cluster: "portico" },
    admin: {
      address: pipe(ADMIN_SOCKET),
      ignore_global_conn_limit: true,
    },
    dynamic_resources: {
      ads_config: adsConfig(),
      lds_config: FROM_ADS,
      cds_config: FROM_ADS,
    },
    static_resources: {
      clusters: [xdsCluster(join(runDirectory, XDS_SOCKET))],
      listeners: [tableListener(pipe(TABLE_SOCKET))],
    },
    overload_manager: { resource_monitors: [connectionLimit(maxConnections)] },
    // Prepares statistics on request, not every five seconds.
    stats_flush_on_admin: true,
    memory_allocator_manager: RETURN_MEMORY,
    ...(hungAfterMs > 0 && { watchdogs: watchdogs(hungAfterMs) }),
  };
}

/** Returns the watchdogs of the main thread and of workers: a plugin may loop. */
function watchdogs(hungAfterMs: number): object {
  const watchdog = { kill_timeout: `${hungAfterMs / 1_000}s` };
  return { main_thread_watchdog: watchdog, worker_watchdog: watchdog };
}

/**
 * Envoy keeps freed memory by default. Many new backends at once need much for a moment: 5,000
 * within a second peaked at 350 MB, of which 20 MB were in use afterwards.
 */
const RETURN_MEMORY = {
  bytes_to_release: 32 * 1024 * 1024,
  memory_release_interval: "1s",
};

/** Envoy crashes when it cannot open a socket to a backend: it must not run out of descriptors. */
function connectionLimit(maxConnections: number): object {
  return {
    name: "envoy.resource_monitors.global_downstream_max_connections",
    typed_config: {
      "@type": `${RESOURCE_MONITORS}.downstream_connections.v3.DownstreamConnectionsConfig`,
      max_active_downstream_connections: maxConnections,
    },
  };
}

/** No fetch timeout: an Envoy that starts without its configuration could serve nothing. */
const FROM_ADS = { ads: {}, resource_api_version: "V3", initial_fetch_timeout: "0s" };

/**
 * Incremental: an update contains what changed, and not all listeners and clusters. Envoy finds a
 * controller that comes back within a second; its own backoff goes up to 30 s.
 */
function adsConfig(): object {
  const backOff = { base_interval: "0.1s", max_interval: "1s" };
  return {
    api_type: "DELTA_GRPC",
    transport_api_version: "V3",
    set_node_on_first_message_only: true,
    grpc_services: [
      { envoy_grpc: { cluster_name: XDS_CLUSTER, retry_policy: { retry_back_off: backOff } } },
    ],
  };
}

function xdsCluster(socket: string): object {
  const endpoint = { address: { pipe: { path: socket } } };
  return {
    name: XDS_CLUSTER,
    type: "STATIC",
    connect_timeout: "1s",
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": `${EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions`,
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
    load_assignment: {
      cluster_name: XDS_CLUSTER,
      endpoints: [{ lb_endpoints: [{ endpoint }] }],
    },
  };
}

/** The table's protocol: the plugin answers every request, the router behind it none. */
function tableListener(address: object): object {
  return {
    name: "table",
    address,
    ignore_global_conn_limit: true,
    // Envoy buffers a whole frame before the plugin reads it.
    per_connection_buffer_limit_bytes: MAX_FRAME_BYTES * 2,
    filter_chains: [{ filters: [{ name: "http", typed_config: tableHttp() }] }],
  };
}

function tableHttp(): object {
  return {
    "@type": `${EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: "table",
    codec_type: "HTTP1",
    generate_request_id: false,
    route_config: { name: "table" },
    http_filters: [
      {
        name: TABLE_FILTER,
        config_discovery: {
          config_source: FROM_ADS,
          type_urls: [HTTP_WASM_TYPE],
        },
      },
      {
        name: "router",
        typed_config: { "@type": `${EXTENSIONS}.filters.http.router.v3.Router` },
      },
    ],
  };
}
