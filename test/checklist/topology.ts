// Slices, zones, families, load balancers and the other files of the e2e suite.

import { cases, type E2eFile, inFile } from "./entry.ts";

const services = inFile("cluster/e2e-services");
const source = inFile("cluster/kubernetes-source");
const capture = inFile("real/capture");
const slices = services(
  "slices by hand: several ports in several slices, several addresses in several",
);

const API_ONLY = "It asks the API server and the slice controllers alone.";

const ZONES = cases(
  "endpoints hinted for this zone are preferred",
  "zone hints are void when one ready endpoint has none, or none is for this zone",
);

const DISTRIBUTION: E2eFile = {
  file: "traffic_distribution.go",
  entries: [
    { name: "should route traffic to an endpoint in the same zone: PreferClose", covered: ZONES },
    {
      name: "should route traffic to an endpoint in the same zone: PreferSameZone",
      covered: ZONES,
    },
    {
      name: "should route traffic correctly between pods on multiple nodes: PreferSameNode",
      covered: cases("endpoints hinted for this node are preferred to those hinted for its zone"),
    },
    { name: "should distribute endpoints evenly (topology_hints.go)", covered: ZONES },
  ],
};

const SLICES: E2eFile = {
  file: "endpointslice.go, endpointslicemirroring.go, endpoints.go",
  entries: [
    {
      name: "should have Endpoints and EndpointSlices pointing to API Server",
      conformance: true,
      reason: API_ONLY,
    },
    {
      name: "should create and delete Endpoints and EndpointSlices for a Service with a selector",
      conformance: true,
      reason: API_ONLY,
    },
    {
      name: "should create Endpoints and EndpointSlices for Pods matching a Service",
      conformance: true,
      covered: services("ports with named targets on different Pods lead each to its own Pod"),
    },
    {
      name: "should support a Service with multiple ports specified in multiple EndpointSlices",
      conformance: true,
      covered: slices,
    },
    {
      name: "should support a Service with multiple endpoint IPs specified in multiple slices",
      conformance: true,
      covered: slices,
    },
    {
      name: "should mirror a custom Endpoints resource through create, update and delete",
      conformance: true,
      reason: API_ONLY,
    },
  ],
};

const SCTP_NOT_CARRIED =
  "SCTP is not carried, on purpose: this test fails. That it harms nothing: e2e-sctp.test.ts.";
const udp = inFile("cluster/e2e-udp");
const SIX = {
  "pod-Service": cases(
    "a cluster IP leads to endpoints on this node and on others alike, in IPv6",
    "a node port leads everybody to all endpoints, which see the node's address, in IPv6",
  ),
  "node-Service": cases(
    "a process on the host reaches a cluster IP, and is seen as the node, in IPv6",
    "a node port leads everybody to all endpoints, which see the node's address, in IPv6",
  ),
  "endpoint-Service": cases(
    "a Pod among the endpoints: others see its address, it sees the node's, in IPv6",
  ),
};
const SIX_DATAGRAMS = cases(
  "UDP and TCP on the same port of a Service lead each to its own target, in IPv6",
  "UDP at a node port, an external IP and a load balancer is masqueraded, in IPv6",
  "a Pod reaches itself over UDP, and is seen as the node, in IPv6",
);

const DUAL_STACK: E2eFile = {
  file: "dual_stack.go",
  entries: [
    {
      name: "should create services with every ipFamilyPolicy",
      covered: [
        ...cases(
          "a dual-stack Service is served in both families by the endpoints of each",
          "a Service that gains a family is served in both, and that loses one in the other",
        ),
      ],
    },
    ...Object.entries(SIX).flatMap(([what, covered]) => [
      { name: `should function for ${what}: http over the secondary family`, covered },
      {
        name: `should function for ${what}: udp over the secondary family`,
        covered: SIX_DATAGRAMS,
      },
      {
        name: `should function for ${what}: sctp over the secondary family`,
        reason: SCTP_NOT_CARRIED,
      },
    ]),
    {
      name: "should update endpoints: http, udp over the secondary family",
      covered: [
        ...cases("from no endpoints to some and back to none, in IPv6"),
        ...cases("UDP without endpoints is refused, from none to one and back, in IPv6"),
      ],
    },
    {
      name: "should function for client IP based session affinity: http, udp, both families",
      covered: [
        ...cases("session affinity leads each client to one backend, in IPv6"),
        ...udp("session affinity holds for datagrams, and is switched on and off"),
      ],
    },
  ],
};

const PASSED = capture("pass as they were");

const OTHERS: readonly E2eFile[] = [
  {
    file: "hostport.go",
    entries: [
      {
        name:
          "validates that there is no conflict between pods with same hostPort but different " +
          "hostIP and protocol",
        conformance: true,
        covered: capture(
          "may be mapped by port to the node's addresses without catching a Service",
        ),
      },
    ],
  },
  {
    file: "no_snat.go",
    entries: [
      {
        name: "Should be able to send traffic between Pods without SNAT",
        covered: [
          ...PASSED,
          ...cases("connections to addresses that are no Service's are left alone"),
        ],
      },
    ],
  },
  {
    file: "service_latency.go",
    entries: [
      {
        name: "should not be very high",
        conformance: true,
        reason:
          "It measures the slice controller. How long a change takes from there on is " +
          "kubeproxy_network_programming_duration_seconds.",
      },
    ],
  },
  {
    file: "service_cidrs.go",
    entries: [
      {
        name: "should create Services and serve on different Service CIDRs",
        covered: [
          ...services(
            "a ServiceCIDR is added: its Services answer, its free addresses are dropped",
          ),
          ...source("are synced: Services, their EndpointSlices, our Node, the ServiceCIDR"),
        ],
      },
      { name: "should support ServiceCIDR and IPAddress API operations", reason: API_ONLY },
    ],
  },
  {
    file: "localhost_nodeports.go",
    entries: [
      {
        name: "should be able to access NodePorts via localhost (iptables mode, with its metric)",
        reason:
          "kube-proxy's nftables mode, which Portico follows, has none there. Where " +
          "nodePortAddresses names loopback they are served, see capture-host.test.ts.",
      },
    ],
  },
  {
    file: "funny_ips.go",
    entries: [
      {
        name: "should allow Cluster IPs with leading zeros",
        covered: cases("a cluster IP with leading zeros is read as decimal"),
      },
    ],
  },
  {
    file: "proxy.go",
    entries: [
      {
        name: "should proxy through a service and a pod",
        conformance: true,
        reason: "The API server dials endpoints itself, past every Service proxy.",
      },
    ],
  },
  {
    file: "dns.go",
    entries: [
      {
        name: "should provide DNS for the cluster, for services, for pods, for ExternalName …",
        conformance: true,
        covered: [
          ...cases("UDP and TCP on the same port of a Service lead each to its own target"),
          ...udp("TCP and UDP on the same port: each takes its own way, and goes alone"),
        ],
      },
    ],
  },
];

const LOCAL = [
  ...inFile("cluster/churn")("externalTrafficPolicy goes to Local and back"),
  ...cases("externalTrafficPolicy Local holds for external IPs and load balancers alike"),
];

const LOAD_BALANCERS: E2eFile = {
  file: "loadbalancer.go",
  entries: [
    {
      name: "should be able to change the type and ports of a TCP service",
      covered: [
        ...inFile("cluster/churn")(
          "ClusterIP to NodePort to LoadBalancer and back: the cluster IP does not notice",
        ),
        ...cases("a Service whose type changes loses its node port and keeps its cluster IP"),
      ],
    },
    {
      name: "should be able to change the type and ports of a UDP service",
      covered: udp("ClusterIP to NodePort to LoadBalancer and back, and another node port"),
    },
    {
      name: "should support mixed protocols",
      covered: [
        ...udp("TCP and UDP on the same port: each takes its own way, and goes alone"),
        ...cases("UDP at a node port, an external IP and a load balancer is masqueraded"),
      ],
    },
    {
      name: "should have session affinity work for LoadBalancer service with ESIPP on and off",
      covered: [
        ...cases("session affinity leads each client to one backend"),
        ...inFile("real/affinity")(
          "keeps each client with its backend, at whichever address of the Service",
        ),
      ],
    },
    {
      name: "should only allow access from service loadbalancer source ranges",
      covered: [
        ...cases("who is in no source range of a load balancer is dropped"),
        ...cases("source ranges that hold everybody, one within another, and none"),
      ],
    },
    {
      name: "should handle load balancer cleanup finalizer for service",
      reason: "It asks the cloud's controller alone.",
    },
    {
      name: "should be able to create LoadBalancer Service without NodePort and change it",
      covered: [...cases("a load balancer without node ports is served at its address")],
    },
    {
      name: "should work for type=LoadBalancer (health check node port)",
      covered: inFile("cluster/operations")(
        "answers a load balancer by whether the Service has an endpoint here",
      ),
    },
    { name: "should only target nodes with endpoints", covered: LOCAL },
    {
      name: "should work from pods",
      covered: [
        ...cases(
          "externalTrafficPolicy Local without an endpoint here: dropped, but not from here",
        ),
        ...LOCAL,
      ],
    },
    { name: "should handle updates to ExternalTrafficPolicy field", covered: LOCAL },
    ...["Cluster", "Local"].map((policy) => ({
      name:
        "should not have connectivity disruption during rolling update with " +
        `externalTrafficPolicy=${policy}`,
      covered: inFile("cluster/churn")("a rolling update behind externalTrafficPolicy %s"),
    })),
  ],
};

export const TOPOLOGY: readonly E2eFile[] = [
  DISTRIBUTION,
  SLICES,
  DUAL_STACK,
  LOAD_BALANCERS,
  ...OTHERS,
];
