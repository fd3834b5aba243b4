// Refusing the present connection: Envoy connects it to a cluster that resets it
// (controller/xds/refusing.ts), and hands the reset on to the client.

import { release, returnedSize } from "../abi/memory";
import { FAMILY_IPV4 } from "../wire/layout";
import { prepareArgument, setFilterState, valueIn } from "./filter-state";
import { lastingProperty, readProperty } from "./property";
import { isText, writeAscii } from "./text";

/** tcp_proxy reads it for each attempt, before its own configuration. */
const CLUSTER_PATH = "envoy.tcp_proxy.cluster";
const CLUSTER_IPV4 = "refusing-ipv4";
const CLUSTER_IPV6 = "refusing-ipv6";
const CLUSTER_BYTES: u32 = CLUSTER_IPV4.length;
const cluster: usize = prepareArgument(CLUSTER_PATH, CLUSTER_BYTES);

const clusterName: usize = lastingProperty("xds\0cluster_name");

/**
 * Has Envoy's next attempt, which may be the first, refuse the connection. `family` is that of its
 * client. False when the host refuses that.
 */
export function refuseDownstream(family: u32): bool {
  const name = family === FAMILY_IPV4 ? CLUSTER_IPV4 : CLUSTER_IPV6;
  writeAscii(name, valueIn(cluster, CLUSTER_PATH));
  return setFilterState(cluster, CLUSTER_PATH, CLUSTER_BYTES);
}

/** Reports whether an attempt that refuses has begun. */
export function isBeingRefused(): bool {
  const name = readProperty(clusterName);
  const size = name === 0 ? 0 : returnedSize();
  const isOne = isText(name, size, CLUSTER_IPV4) || isText(name, size, CLUSTER_IPV6);
  release(name);
  return isOne;
}
