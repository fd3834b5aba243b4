// How Pods reach their node: what makes the link between their namespace and the node's, and the
// addresses and routes at both ends. test/kubernetes/cni-network.ts is another one.

import { isIPv6 } from "node:net";
import { assign, POD_GATEWAY_ADDRESSES, single } from "./addresses.ts";
import type { ClusterNode, Pod } from "./cluster.ts";
import { ipBatch } from "./command.ts";

export interface PodNetwork {
  /** Gives the Pod's namespace, which has `lo` alone, its addresses and the way to its node. */
  attach(node: ClusterNode, pod: Pod): Promise<void>;
  /** The reverse; the namespace is still there. */
  detach(node: ClusterNode, pod: Pod): Promise<void>;
}

/** A link for each Pod, which has single addresses; the node routes, as with Calico. */
export const routedPods: PodNetwork = {
  attach: async (node, pod) => {
    await ipBatch([
      `link add ${pod.link} netns ${node.name} type veth peer name eth0 netns ${pod.name}`,
    ]);
    await Promise.all([
      ipBatch(podLines(pod), pod.name),
      ipBatch(podLinesOnNode(pod, node), node.name),
    ]);
  },
  // The peer of a removed namespace goes only when the kernel gets round to it.
  detach: (node, pod) => ipBatch([`link del ${pod.link}`], node.name),
};

function podLines(pod: Pod): string[] {
  const lines = pod.addresses.map((address) => assign(single(address), "eth0"));
  lines.push("link set eth0 up", "route add 169.254.1.1 dev eth0 scope link");
  for (const gateway of POD_GATEWAY_ADDRESSES) {
    if (pod.addresses.some((address) => isIPv6(address) === isIPv6(gateway))) {
      lines.push(`route add default via ${gateway} dev eth0`);
    }
  }
  return lines;
}

// The gateway address has link scope, or the node would take it for its own towards this Pod.
function podLinesOnNode(pod: Pod, node: ClusterNode): string[] {
  const source = (address: string) =>
    node.addresses.find((candidate) => isIPv6(candidate) === isIPv6(address));
  return [
    `addr add 169.254.1.1/32 dev ${pod.link} scope link`,
    `link set ${pod.link} up`,
    assign("fe80::1/64", pod.link),
    ...pod.addresses.map((address) => {
      const src = source(address);
      const route = `route add ${single(address)} dev ${pod.link}`;
      return src === undefined ? route : `${route} src ${src}`;
    }),
  ];
}
