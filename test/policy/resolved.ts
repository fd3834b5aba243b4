// NetworkPolicies and Pods → who may talk to each Pod, by addresses and ports. Pure. As the API's
// documentation has it: policies that select a Pod isolate it, and what any of them allows is
// allowed.

import type { KubernetesObject } from "../parity/state.ts";

/** One thing that is allowed. */
export interface Allowed {
  /** Undefined: everybody. */
  cidrs: readonly string[] | undefined;
  except: readonly string[];
  /** Undefined: every port of every protocol. */
  ports: readonly { protocol: string; first: number; last: number }[] | undefined;
}

/** Undefined: nothing isolates the Pod in that direction. */
interface Isolation {
  ingress: readonly Allowed[] | undefined;
  egress: readonly Allowed[] | undefined;
}

interface Peer {
  podSelector?: Selector;
  namespaceSelector?: Selector;
  ipBlock?: { cidr: string; except?: readonly string[] };
}
interface Selector {
  matchLabels?: Record<string, string>;
  matchExpressions?: readonly { key: string; operator: string; values: readonly string[] }[];
}
interface PortRule {
  port?: number | string;
  endPort?: number;
  protocol?: string;
}

/** As in the Pods' specs (test/parity/state.ts). */
const NAMED_PORTS: Readonly<Record<string, number>> = { http: 8080, admin: 9090 };

export function isolationOf(
  pod: KubernetesObject,
  policies: readonly KubernetesObject[],
  pods: readonly KubernetesObject[],
): Isolation {
  const selecting = policies.filter(({ metadata, spec }) => {
    const selector = spec?.podSelector as Selector;
    return metadata.namespace === pod.metadata.namespace && selects(selector, pod);
  });
  const allowed = (type: string, field: "ingress" | "egress", peers: "from" | "to") => {
    const types = ({ spec }: KubernetesObject) => (spec?.policyTypes ?? []) as string[];
    const ofType = selecting.filter((policy) => types(policy).includes(type));
    if (ofType.length === 0) return undefined;
    return ofType.flatMap((policy) => {
      const rules = (policy.spec?.[field] ?? []) as Record<string, unknown>[];
      return rules.flatMap((rule): Allowed[] => {
        const ports = portsOf(rule.ports as readonly PortRule[] | undefined);
        const named = rule[peers] as readonly Peer[] | undefined;
        if (named === undefined) return [{ cidrs: undefined, except: [], ports }];
        return named.map((peer) => ({ ...addressesOf(peer, policy, pods), ports }));
      });
    });
  };
  return {
    ingress: allowed("Ingress", "ingress", "from"),
    egress: allowed("Egress", "egress", "to"),
  };
}

function addressesOf(peer: Peer, policy: KubernetesObject, pods: readonly KubernetesObject[]) {
  const { ipBlock, namespaceSelector, podSelector = {} } = peer;
  if (ipBlock) return { cidrs: [ipBlock.cidr], except: ipBlock.except ?? [] };
  const those = pods.filter((pod) => {
    const { namespace = "" } = pod.metadata;
    const isThere = namespaceSelector
      ? matches(namespaceSelector, { "kubernetes.io/metadata.name": namespace })
      : namespace === policy.metadata.namespace;
    return isThere && selects(podSelector, pod);
  });
  const addresses = those.flatMap(({ status }) => status.podIPs as { ip: string }[]);
  return { cidrs: addresses.map(({ ip }) => ip), except: [] };
}

function portsOf(rules: readonly PortRule[] | undefined): Allowed["ports"] {
  return rules?.map(({ port = 1, endPort, protocol = "TCP" }) => {
    const first = typeof port === "number" ? port : (NAMED_PORTS[port] ?? 0);
    return { protocol: protocol.toLowerCase(), first, last: endPort ?? first };
  });
}

function selects(selector: Selector, { metadata }: KubernetesObject): boolean {
  return matches(selector, metadata.labels ?? {});
}

function matches(selector: Selector, labels: Record<string, string>): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector;
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, values }) => values.includes(labels[key] ?? ""))
  );
}
