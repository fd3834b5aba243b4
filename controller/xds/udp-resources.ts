// UDP listeners and clusters, as data (udp-target.ts) → their xDS resources. Pure.

import { familyOf } from "../model/ip.ts";
import type { Backend } from "../node/types.ts";
import { type FlowLogOptions, udpFlowLog } from "./flow-log.ts";
import type { Resource } from "./protos.ts";
import { CLUSTER_TYPE, ENDPOINTS_TYPE, LISTENER_TYPE } from "./type-urls.ts";
import type { UdpCluster, UdpListener } from "./udp-target.ts";

const UDP_FILTERS = "type.googleapis.com/envoy.extensions.filters.udp.udp_proxy.v3";

/**
 * Envoy's default of 1,500 bytes would cut the datagrams. With GRO one read takes what the kernel
 * has put together. That costs a third less CPU per query than reading sixteen datagrams at once,
 * and preserves the boundaries of datagrams that a Pod sent with GSO.
 */
const ANY_DATAGRAM = { max_rx_datagram_size: { value: 65_535 }, prefer_gro: { value: true } };

/**
 * Envoy forbids fragments for what its UDP listeners send, so no answer could be longer than a
 * packet. This option is set after the socket is bound, and so after Envoy's own.
 *
 * IPv4: IP_PMTUDISC_DONT, so that routers fragment what is too long for the client's path, and even
 * the first long answer arrives. IPv6, where routers cannot: IPV6_PMTUDISC_WANT, the kernel's
 * default, which fragments to the learnt path MTU (capture/path-mtu.ts).
 */
const FRAGMENTS_IPV4 = option("IP_MTU_DISCOVER", 0, 10, 0);
const FRAGMENTS_IPV6 = option("IPV6_MTU_DISCOVER", 41, 23, 1);
function option(description: string, level: number, name: number, value: number): object {
  return { description, level, name, int_value: value, state: "STATE_BOUND" };
}

/** Without flow log options it logs nothing, at no cost. */
export function udpListener(
  listener: UdpListener,
  port: number,
  flowLog?: FlowLogOptions,
): Resource {
  const { name, keepsSource, address, cluster, idleTimeoutSeconds, hasAffinity } = listener;
  const proxy: Resource = {
    "@type": `${UDP_FILTERS}.UdpProxyConfig`,
    stat_prefix: "portico",
    matcher: { on_no_match: { action: { name: "cluster", typed_config: routeTo(cluster) } } },
    idle_timeout: { seconds: idleTimeoutSeconds },
    use_original_src_ip: keepsSource,
    upstream_socket_config: ANY_DATAGRAM,
    hash_policies: hasAffinity ? [{ source_ip: true }] : [],
    ...(flowLog && { access_log: udpFlowLog(flowLog, listener) }),
  };
  return {
    "@type": LISTENER_TYPE,
    name,
    address: { socket_address: { protocol: "UDP", address, port_value: port } },
    transparent: { value: true },
    socket_options: [familyOf(address) === "IPv4" ? FRAGMENTS_IPV4 : FRAGMENTS_IPV6],
    udp_listener_config: { downstream_socket_config: ANY_DATAGRAM },
    // One for all: by default each address has counters of its own.
    stat_prefix: "portico-udp",
    listener_filters: [{ name: "udp", typed_config: proxy }],
  };
}

function routeTo(cluster: string): Resource {
  return { "@type": `${UDP_FILTERS}.Route`, cluster };
}

/**
 * `flowLimit`: the most flows of the cluster at once. When local ports or descriptors run out,
 * others suffer: the host's own processes, and Envoy, which does not survive it.
 *
 * Session affinity: the nearest that Envoy has for UDP is a hash of the client's address. So a
 * client keeps its endpoint while that exists, without a timeout, and nearly all clients keep
 * theirs when others come or go. With RING_HASH fewer would: on the ring, each endpoint has more
 * points when there are fewer endpoints.
 */
export function udpCluster(cluster: UdpCluster, flowLimit: number): Resource {
  const { name, hasAffinity, takesTurns } = cluster;
  const otherwise = takesTurns ? "ROUND_ROBIN" : "RANDOM";
  return {
    "@type": CLUSTER_TYPE,
    name,
    type: "EDS",
    lb_policy: hasAffinity ? "MAGLEV" : otherwise,
    eds_cluster_config: { eds_config: { ads: {}, resource_api_version: "V3" } },
    common_lb_config: {
      healthy_panic_threshold: { value: 0 },
      // At once: by default, leaving endpoints would still get new flows for a second.
      update_merge_window: { seconds: 0 },
    },
    circuit_breakers: { thresholds: [{ max_connections: { value: flowLimit } }] },
  };
}

/**
 * Endpoints that leave are "degraded": they keep their flows, and get no new ones while the others
 * can take everything, which they can when each counts for `OVERPROVISIONING` percent. (Flows to
 * hosts that are draining or unhealthy move at once.)
 */
export function udpAssignment({ name, backends, leaving }: UdpCluster): Resource {
  const hosts = [
    ...backends.map((backend) => host(backend, "HEALTHY")),
    ...leaving.map((backend) => host(backend, "DEGRADED")),
  ];
  return {
    "@type": ENDPOINTS_TYPE,
    cluster_name: name,
    endpoints: [{ lb_endpoints: hosts }],
    policy: { overprovisioning_factor: { value: OVERPROVISIONING } },
  };
}

/** Even one of 65,535 can take everything. */
const OVERPROVISIONING = 100 * 65_536;

function host({ address, port, weight }: Backend, health: "HEALTHY" | "DEGRADED"): object {
  const socket = { protocol: "UDP", address, port_value: port };
  return {
    health_status: health,
    endpoint: { address: { socket_address: socket } },
    ...(weight !== undefined && { load_balancing_weight: { value: weight } }),
  };
}
