// Verdicts that differ between kube-proxy and Portico, each with its reason. The comparison fails
// on every other, and on an entry that a whole run does not need any more. README's table of
// enforcers says the same to operators.

import { nodeOf } from "../parity/lab.ts";
import { ANTREA } from "./antrea-rules.ts";
import { CALICO } from "./calico-rules.ts";
import type { Judged } from "./verdicts.ts";

export interface KnownDifference {
  id: string;
  reason: string;
  explains: (judged: Judged) => boolean;
}

/**
 * Calico finds a Pod's egress policy by the interface that a packet comes from. A Pod's packet to a
 * Service ends in the input hook, with the Service's address; Envoy's to the backend is forwarded
 * from portico1. So it is the Service's address and port that are judged.
 */
function judgesServiceAddress({ enforcer, set, dial }: Judged): boolean {
  const isFromPod = !["node-1", "node-2", "outside"].includes(dial.from);
  const hasEgress = set.policies.some(({ spec }) => spec?.egress !== undefined);
  return enforcer === CALICO.name && hasEgress && isFromPod && dial.frontend !== "Pod";
}

/**
 * Antrea lets in what the node itself sends to its Pods, by a mark that it sets in the output hook
 * on what goes to them. Before kube-proxy's NAT a packet to a Service goes elsewhere, so that
 * misses its mark; Envoy's goes to the Pod.
 */
function isFromItsNode({ enforcer, dial, kubeProxy }: Judged): boolean {
  const isOfNode = dial.from === nodeOf(dial.backend) && dial.frontend !== "Pod";
  return enforcer === ANTREA.name && isOfNode && kubeProxy === "kept out";
}

export const KNOWN_DIFFERENCES: readonly KnownDifference[] = [
  {
    id: "calico-egress-kept-out",
    reason:
      "egress that names Pods, their addresses or their ports does not match a Service's: a Pod " +
      "that may reach a backend is kept out of its Service",
    explains: (judged) => judgesServiceAddress(judged) && judged.portico === "kept out",
  },
  {
    id: "calico-egress-let-in",
    reason:
      "egress that names the Service range, or a port that a Service has, lets a Pod reach every " +
      "backend behind what matches",
    explains: (judged) => judgesServiceAddress(judged) && judged.portico === "let in",
  },
  {
    id: "antrea-node-let-in",
    reason:
      "the node's own processes reach its Pods through a Service as they do directly; with " +
      "kube-proxy, ingress policies keep them out of the Service alone",
    explains: isFromItsNode,
  },
];
