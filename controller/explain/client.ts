// A client's address → what kind of client it is to this node.

import type { LocalDetector } from "../capture/local-detector.ts";
import { cidrContains } from "../model/ip.ts";
import type { Evidence } from "./evidence.ts";
import type { Client } from "./explanation.ts";
import { type KnownCluster, podAt } from "./known-cluster.ts";

/**
 * Returns what an address, in canonical text, is to this node. Its own addresses count first, then
 * Pods as the local detector recognises them, then EndpointSlices and Nodes; everything else is
 * outside.
 */
export function clientFrom(address: string, known: KnownCluster, evidence: Evidence): Client {
  const route = evidence.route(address);
  const pod = podAt(known, address);
  const name = pod?.pod === undefined ? "" : `Pod ${pod.pod}, `;
  if (route.type === "local") {
    const description = `${name}a process of this node (the address is the node's own)`;
    return { address, kind: "host", description };
  }
  const reason = detectedBy(known.localDetector, address, route.device);
  if (reason !== undefined) {
    return { address, kind: "local-pod", description: `${name}a Pod of this node (${reason})` };
  }
  if (pod && pod.nodeName !== "") {
    const who = name || "a Pod, ";
    if (pod.nodeName !== known.node.name) {
      return { address, kind: "remote-pod", description: `${who}on ${pod.nodeName}` };
    }
    const description = `${who}on this node, but the local detector does not recognize it`;
    return { address, kind: "undetected-pod", description };
  }
  const node = [...known.state.nodes.values()].find(({ addresses }) => addresses.includes(address));
  if (node) return { address, kind: "other-node", description: `the node ${node.name}` };
  const unknown = "not a Pod of this node by the local detector, and in no EndpointSlice";
  return { address, kind: "outside", description: `${name}from elsewhere (${unknown})` };
}

/** Returns how the kernel's rules recognise a Pod of this node; undefined when they do not. */
function detectedBy(detector: LocalDetector, address: string, device: string): string | undefined {
  switch (detector.kind) {
    case "none":
      return undefined;
    case "cidrs": {
      const cidr = detector.cidrs.find((each) => cidrContains(each, address));
      return cidr && `its address is in ${cidr}`;
    }
    case "bridge":
      return device === detector.name ? `its packets come in by ${device}` : undefined;
    case "prefix":
      return device.startsWith(detector.prefix) ? `its packets come in by ${device}` : undefined;
  }
}
