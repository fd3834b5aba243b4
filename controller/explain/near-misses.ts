// A dialled place that is not a frontend → the frontends that may have been meant, in words.

import { addressAndPort } from "../model/ip.ts";
import type { Frontend } from "../node/types.ts";
import type { Asked } from "./asked.ts";
import { serviceOf } from "./endpoints.ts";
import { type KnownCluster, podAt } from "./known-cluster.ts";

/** How many of a kind are listed; the others are counted. */
const MOST = 8;

/**
 * Returns what the address and port may have been meant for, one line each. Empty when nothing is
 * similar.
 */
export function nearMisses({ address, port, protocol }: Asked, known: KnownCluster): string[] {
  const frontends = [...known.frontends.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  const same = frontends.filter((each) => each.address === address);
  const otherProtocol = same.filter((each) => each.port === port);
  const otherPort = same.filter((each) => each.port !== port && each.protocol === protocol);
  const nodePorts = frontends.filter((each) => {
    return each.kind === "NodePort" && each.port === port && each.address !== address;
  });
  return [
    ...listed("same address and port, other protocol", otherProtocol),
    ...listed("same address, other port", otherPort),
    ...listed("a node port of this number, at this node's own address", nodePorts),
    ...headless(address, port, known),
    ...whose(address, port, known),
  ];
}

function listed(how: string, frontends: readonly Frontend[]): string[] {
  const shown = frontends.slice(0, MOST).map((each) => `${how}: ${each.key} (${serviceOf(each)})`);
  const more = frontends.length - shown.length;
  return more > 0 ? [...shown, `${how}: ${more} more`] : shown;
}

function headless(address: string, port: number, { state }: KnownCluster): string[] {
  const owner = [...state.services].find(([, { clusterIPs }]) => clusterIPs.includes(address));
  if (!owner) return [];
  const [key, { ports }] = owner;
  const all = ports.map((each) => `${each.port}/${each.protocol}`).join(", ") || "none";
  return [
    `${address} is the cluster IP of ${key}, whose ports are ${all}; ${port} is none of them`,
  ];
}

/** Says whose address it is: a Pod's, or a node's. */
function whose(address: string, port: number, known: KnownCluster): string[] {
  const pod = podAt(known, address);
  if (pod) {
    const name = pod.pod === undefined ? "an endpoint" : `Pod ${pod.pod}`;
    return [`${addressAndPort(address, port)} is ${name}: dialled directly, not through a Service`];
  }
  const node = [...known.state.nodes.values()].find(({ addresses }) => addresses.includes(address));
  return node ? [`${address} is the node ${node.name}`] : [];
}
