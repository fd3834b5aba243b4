// The sets of NetworkPolicies that are compared, after the cases of Kubernetes' end-to-end suite
// (test/e2e/network/netpol). Facts only: who is there says people.ts.

import type { KubernetesObject } from "../parity/state.ts";
import { CLIENTS_NAMESPACE, WEB_NAMESPACE } from "./people.ts";

export interface PolicySet {
  /** Unique. */
  name: string;
  policies: readonly KubernetesObject[];
}

interface Rule {
  from?: readonly object[];
  to?: readonly object[];
  ports?: readonly object[];
}

const WEB = { matchLabels: { app: "web" } };
const ofNamespace = (name: string) => ({
  namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": name } },
});
const BLUE = { podSelector: { matchLabels: { team: "blue" } } };
const block = (cidr: string, ...except: string[]) => ({
  ipBlock: { cidr, ...(except.length > 0 && { except }) },
});
const OUTSIDE = [block("192.0.2.200/32"), block("fd00:2::c8/128")];

/** In the namespace of the backends, for all of them unless `podSelector` says otherwise. */
function ingress(name: string, rules: readonly Rule[], podSelector: object = WEB) {
  const spec = { podSelector, policyTypes: ["Ingress"], ingress: rules };
  return policy(name, WEB_NAMESPACE, spec);
}

/** In the namespace of the clients, for all of them. */
function egress(name: string, rules: readonly Rule[]): KubernetesObject {
  return policy(name, CLIENTS_NAMESPACE, {
    podSelector: {},
    policyTypes: ["Egress"],
    egress: rules,
  });
}

function policy(name: string, namespace: string, spec: Record<string, unknown>): KubernetesObject {
  const metadata = { name, namespace };
  return { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata, spec };
}

function set(name: string, ...policies: KubernetesObject[]): PolicySet {
  return { name, policies };
}

const DENY_INGRESS = ingress("deny-ingress", []);
const DENY_EGRESS = egress("deny-egress", []);
const FROM_CLIENTS = [ofNamespace(CLIENTS_NAMESPACE)];
const TO_WEB = [{ ...ofNamespace(WEB_NAMESPACE), podSelector: WEB }];
const port = (number: number | string, protocol = "TCP") => ({ port: number, protocol });

export const POLICY_SETS: readonly PolicySet[] = [
  set("none"),
  set("nobody in", DENY_INGRESS),
  set("nobody out", DENY_EGRESS),
  set("nobody in, nobody out", DENY_INGRESS, DENY_EGRESS),
  set("everybody in", DENY_INGRESS, ingress("all", [{}])),
  set("in from a namespace", ingress("from-clients", [{ from: FROM_CLIENTS }])),
  set("in from Pods of its own namespace", ingress("own", [{ from: [{ podSelector: {} }] }])),
  set(
    "in from some Pods of a namespace",
    ingress("from-blue", [{ from: [{ ...ofNamespace(CLIENTS_NAMESPACE), ...BLUE }] }]),
  ),
  set(
    "in from a range without a part of it",
    ingress("range", [
      {
        from: [block("10.1.0.0/16", "10.1.2.0/24"), block("fd00:1::/32", "fd00:1:2::/64")],
      },
    ]),
  ),
  set("in from outside alone", ingress("outside", [{ from: OUTSIDE }])),
  set(
    "in from a node's address",
    ingress("node", [{ from: [block("192.0.2.2/32"), block("fd00:2::2/128")] }]),
  ),
  set("in by one port over TCP", ingress("tcp", [{ ports: [port(8080)] }])),
  set("in by one port over UDP", ingress("udp", [{ ports: [port(8080, "UDP")] }])),
  set("in by a port's name", ingress("named", [{ ports: [port("http")] }])),
  set(
    "in by a range of ports",
    ingress("range-of-ports", [{ ports: [{ ...port(8000), endPort: 8090 }] }]),
  ),
  set("in by another port", ingress("other", [{ ports: [port(9090), port(9090, "UDP")] }])),
  set(
    "in to one backend alone",
    DENY_INGRESS,
    ingress("to-a", [{}], { matchLabels: { name: "pod-a" } }),
  ),
  set(
    "in by several policies together",
    DENY_INGRESS,
    ingress("from-blue", [{ from: [{ ...ofNamespace(CLIENTS_NAMESPACE), ...BLUE }] }]),
    ingress("outside", [{ from: OUTSIDE, ports: [port(8080)] }]),
  ),
  set("out to Pods of a namespace", egress("to-web", [{ to: TO_WEB }])),
  set(
    "out to Pods over UDP alone",
    egress("to-web-udp", [{ to: TO_WEB, ports: [port(8080, "UDP")] }]),
  ),
  set(
    "out to a range of Pods",
    egress("to-range", [{ to: [block("10.1.1.0/24"), block("fd00:1:1::/64")] }]),
  ),
  set(
    "out to the range of Services",
    egress("to-services", [{ to: [block("10.96.0.0/16"), block("fd00:96::/112")] }]),
  ),
  set("out by a port of Pods", egress("by-port", [{ ports: [port(8080)] }])),
  set("out by a port of Services", egress("by-service-port", [{ ports: [port(80)] }])),
  set(
    "in and out, each to the other",
    egress("to-web", [{ to: TO_WEB }]),
    ingress("from-clients", [{ from: FROM_CLIENTS }]),
  ),
  set("out allowed, in not", egress("to-web", [{ to: TO_WEB }]), DENY_INGRESS),
];
