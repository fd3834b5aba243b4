// Refusing the present connection: Envoy connects it to a cluster that resets it
// (controller/xds/refusing.ts), and hands the reset on to the client.

import { release, returnedSize } from "../abi/memory";
import { FAMILY_IPV4 } from "../wire/layout";
import { prepareArgument, setFilterState, valueIn } from "./filter-state";
import { lastingProperty, readProperty } from "./property";

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
  const to = valueIn(cluster, CLUSTER_PATH);
  for (let i: u32 = 0; i < CLUSTER_BYTES; i++) store<u8>(to + i, <u8>name.charCodeAt(i));
  return setFilterState(cluster, CLUSTER_PATH, CLUSTER_BYTES);
}

function startsAlike(text: usize, size: u32): bool {
  const length: u32 = CLUSTER_BYTES - 1;
  if (size !== CLUSTER_BYTES) return false;
  for (let i: u32 = 0; i < length; i++) {
    if (load<u8>(text + i) !== <u8>CLUSTER_IPV4.charCodeAt(i)) return false;
  }
  return true;
}

/** Reports whether an attempt that refuses has begun. */
export function isBeingRefused(): bool {
  const name = readProperty(clusterName);
  const isOne = name !== 0 && startsAlike(name, returnedSize());
  release(name);
  return isOne;
}
