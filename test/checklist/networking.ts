// networking.go ("Granular Checks"), conntrack.go, kube_proxy.go: connections of every kind.

import { cases, type E2eFile, inFile } from "./entry.ts";

const services = inFile("cluster/e2e-services");
const operations = inFile("cluster/operations");
const capture = inFile("real/capture");
const faults = inFile("real/faults");

const udp = inFile("cluster/e2e-udp");
const UDP_BACKENDS = udp("every door leads Pods, hosts and strangers to all endpoints");
const FLOW_MOVES = udp("a flow moves to the next Pod when its own cycles: %s");
const SCTP_NOT_CARRIED =
  "SCTP is not carried, on purpose: this test fails. That it harms nothing: e2e-sctp.test.ts.";
const HOST_NETWORK = services(
  "Pods in the host network are endpoints as any, on their own node too",
);

export const NETWORKING: E2eFile = {
  file: "networking.go",
  entries: [
    {
      name: "Granular Checks: Services should function for pod-Service: http",
      covered: [
        ...services("a node port answers on every node, from Pods, the host and outside"),
        ...cases("a cluster IP leads to endpoints on this node and on others alike"),
      ],
    },
    {
      name: "Granular Checks: Services should function for pod-Service: udp",
      covered: UDP_BACKENDS,
    },
    {
      name: "Granular Checks: Services should function for pod-Service: sctp [Disruptive]",
      reason: SCTP_NOT_CARRIED,
    },
    {
      name: "Granular Checks: Services should function for node-Service: http",
      covered: [
        ...services("a node port answers on every node, from Pods, the host and outside"),
        ...cases("a process on the host reaches a cluster IP, and is seen as the node"),
      ],
    },
    {
      name: "Granular Checks: Services should function for node-Service: udp",
      covered: UDP_BACKENDS,
    },
    {
      name: "Granular Checks: Services should function for node-Service: sctp [Disruptive]",
      reason: SCTP_NOT_CARRIED,
    },
    {
      name: "Granular Checks: Services should function for endpoint-Service: http",
      covered: [
        ...services("a Pod that is its Service's endpoint reaches itself"),
        ...cases("a Pod among the endpoints: others see its address, it sees the node's"),
      ],
    },
    {
      name: "Granular Checks: Services should function for endpoint-Service: udp",
      covered: [
        ...cases("a Pod reaches itself over UDP, and is seen as the node"),
        ...UDP_BACKENDS,
      ],
    },
    {
      name: "Granular Checks: Services should function for endpoint-Service: sctp [Disruptive]",
      reason: SCTP_NOT_CARRIED,
    },
    {
      name: "Granular Checks: Services should update endpoints: http",
      covered: inFile("cluster/churn")(
        "endpoints come and go: no new connection fails, none that is open ends",
      ),
    },
    {
      name: "Granular Checks: Services should update endpoints: udp",
      covered: FLOW_MOVES,
    },
    {
      name: "Granular Checks: Services should update nodePort: http [Slow]",
      covered: services("nothing listens on a node port, while it is served and after"),
    },
    {
      name: "Granular Checks: Services should update nodePort: udp [Slow]",
      covered: udp("ClusterIP to NodePort to LoadBalancer and back, and another node port"),
    },
    {
      name: "Granular Checks: Services should support client IP based session affinity: http",
      covered: inFile("real/affinity")(
        "keeps each client with its backend, at whichever address of the Service",
      ),
    },
    {
      name: "Granular Checks: Services should support client IP based session affinity: udp",
      covered: udp("session affinity holds for datagrams, and is switched on and off"),
    },
    {
      name: "Granular Checks: Services should be able to handle large requests: http",
      covered: services("large requests and answers pass"),
    },
    {
      name: "Granular Checks: Services should be able to handle large requests: udp",
      covered: udp("datagrams of 2,000 and of 65,507 bytes pass"),
    },
    {
      name: "Granular Checks: Services should function for pod-Service using hostNetwork: http",
      covered: HOST_NETWORK,
    },
    {
      name: "Granular Checks: Services should function for pod-Service using hostNetwork: udp",
      covered: udp("Pods in the host network answer datagrams"),
    },
    {
      name: "Networking should check kube-proxy urls",
      covered: operations(
        "says that it is healthy, and eligible, on every address",
        "measures, and passes Envoy's measures on",
      ),
    },
    {
      name: "Networking should recreate its iptables rules if they are deleted [Disruptive]",
      covered: faults("lost its rules to somebody: they come back within a sync period"),
    },
    {
      name: "should allow creating a Pod with an SCTP HostPort [LinuxOnly] [Serial]",
      reason: "A host port is the network plugin's; no Service is involved.",
    },
    ...["intra-pod: http", "intra-pod: udp", "node-pod: http", "node-pod: udp"].map((what) => ({
      name: `Granular Checks: Pods should function for ${what}`,
      conformance: true as const,
      covered: [
        ...capture("pass as they were"),
        ...cases("connections to addresses that are no Service's are left alone"),
      ],
    })),
  ],
};

const CYCLES = "should be able to preserve UDP traffic when";

export const CONNTRACK: E2eFile = {
  file: "conntrack.go",
  entries: [
    {
      name: `${CYCLES} server pod cycles for a NodePort service`,
      covered: FLOW_MOVES,
    },
    {
      name: `${CYCLES} server pod cycles for a ClusterIP service`,
      covered: FLOW_MOVES,
    },
    {
      name:
        `${CYCLES} server pod cycles for a ClusterIP service with InternalTrafficPolicy set to ` +
        "Local",
      covered: FLOW_MOVES,
    },
    {
      name: `${CYCLES} server pod cycles for a ClusterIP service and client is hostNetwork`,
      covered: FLOW_MOVES,
    },
    {
      name: `${CYCLES} initial unready endpoints get ready`,
      covered: udp(
        "a flow begins to be answered from the same port when an unready Pod gets ready",
      ),
    },
    {
      name: "should drop INVALID conntrack entries [Privileged]",
      covered: services("packets out of a connection's window do not reset it"),
    },
  ],
};

export const KUBE_PROXY: E2eFile = {
  file: "kube_proxy.go",
  entries: [
    {
      name: "KubeProxy should set TCP CLOSE_WAIT timeout [Privileged]",
      reason:
        "kube-proxy sets the sysctl because its connections live in conntrack. Portico's are " +
        "Envoy's sockets, which end when their own timeouts say so; the setting in a " +
        "KubeProxyConfiguration is named in a warning.",
    },
  ],
};
