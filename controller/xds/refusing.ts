// Where Envoy connects a client that no backend serves, to refuse it: a listener of its own that
// resets each connection. tcp_proxy hands the reset on to the client. Closing the client would not
// do: Envoy then sends a FIN, which looks like an empty answer, unless the client has sent
// something before.
//
// The listener is at an address that only the cluster's mark leads to: the kernel routes packets
// with that mark to this node, whatever their destination is. Envoy connects from the client's
// address, so there is a cluster for each family.

import type { IPFamily } from "../model/types.ts";
import type { Resource } from "./protos.ts";
import { REFUSING_CLUSTER } from "./refusing-names.ts";
import { EXTENSIONS, TCP_PROXY_TYPE } from "./resources.ts";
import { SO_MARK, SOL_SOCKET, type SocketOption, socketOption } from "./tcp-options.ts";
import { CLUSTER_TYPE, LISTENER_TYPE } from "./type-urls.ts";

/** The port is that of an Envoy's first capture listener, so that two Envoys do not meet. */
const REFUSING_ADDRESS: Record<IPFamily, string> = {
  IPv4: "248.0.0.1",
  IPv6: "fd70:6f72:7469:6370::1",
};
const FAMILIES: readonly IPFamily[] = ["IPv4", "IPv6"];

const SO_LINGER = 13;
/**
 * struct linger, little endian, in base64: on, 0 seconds. Linux gives it to each accepted
 * connection.
 */
const RESET_AT_CLOSE: SocketOption = {
  description: "SO_LINGER",
  level: SOL_SOCKET,
  name: SO_LINGER,
  buf_value: "AQAAAAAAAAA=",
  state: "STATE_PREBIND",
};

/**
 * The reset has to come after tcp_proxy has seen the connection, or it would count as an attempt
 * that failed. So the listener waits for the client's data, and closes when none comes: that a busy
 * worker takes longer than this to see the connection should not happen.
 */
const WAIT = { nanos: 50_000_000 };
const WAITING: Resource = {
  "@type": `${EXTENSIONS}.filters.listener.tls_inspector.v3.TlsInspector`,
};

/** Returns the listener of each family. */
export function refusingListeners(port: number, families: readonly IPFamily[]): Resource[] {
  return families.map((family) => ({
    "@type": LISTENER_TYPE,
    name: REFUSING_CLUSTER[family],
    address: addressOf(family, port),
    transparent: { value: true },
    socket_options: [RESET_AT_CLOSE],
    listener_filters: [{ name: "wait", typed_config: WAITING }],
    listener_filters_timeout: WAIT,
    // There is no such cluster, so the connection is closed.
    filter_chains: [
      {
        filters: [
          {
            name: "close",
            typed_config: { "@type": TCP_PROXY_TYPE, stat_prefix: "refusing", cluster: "none" },
          },
        ],
      },
    ],
  }));
}

/** Returns the cluster of each family. `mark`: what the kernel routes to this node. */
export function refusingClusters(port: number, mark: number): Resource[] {
  return FAMILIES.map((family) => {
    const name = REFUSING_CLUSTER[family];
    const endpoint = { address: addressOf(family, port) };
    const socket_options = [socketOption("SO_MARK", SOL_SOCKET, SO_MARK, mark)];
    return {
      "@type": CLUSTER_TYPE,
      name,
      type: "STATIC",
      connect_timeout: { seconds: 1, nanos: 0 },
      connection_pool_per_downstream_connection: true,
      load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint }] }] },
      upstream_bind_config: { socket_options },
    };
  });
}

function addressOf(family: IPFamily, port: number): object {
  return { socket_address: { address: REFUSING_ADDRESS[family], port_value: port } };
}
