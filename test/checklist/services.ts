// service.go: "[sig-network] Services".

import { cases, type E2eFile, type Entry, inFile } from "./entry.ts";

const portico = inFile("cluster/portico");
const churn = inFile("cluster/churn");
const services = inFile("cluster/e2e-services");
const endpoints = inFile("cluster/e2e-endpoints");
const udp = inFile("cluster/e2e-udp");
const sctp = inFile("cluster/e2e-sctp");
const faults = inFile("real/faults");
const affinity = inFile("real/affinity");

const API_ONLY = "It asks the API server alone; nothing reaches a Service proxy.";

const BASICS: readonly Entry[] = [
  {
    name: "should provide secure master service",
    conformance: true,
    reason: API_ONLY,
  },
  {
    name: "should serve a basic endpoint from pods",
    conformance: true,
    covered: portico("serves a Service from no Pod to three and back, refused in between"),
  },
  {
    name: "should serve multiport endpoints from pods",
    conformance: true,
    covered: services("ports with named targets on different Pods lead each to its own Pod"),
  },
  {
    name: "should be updated after adding or deleting ports",
    covered: churn("ports are added, renumbered, removed: each takes effect, and the others go on"),
  },
  {
    name: "should preserve source pod IP for traffic thru service cluster IP [LinuxOnly]",
    covered: services(
      "the backend sees the client Pod's address, from its own node and from another",
    ),
  },
  {
    name: "should allow pods to hairpin back to themselves through services",
    covered: services("a Pod that is its Service's endpoint reaches itself"),
  },
  {
    name: "should be able to up and down services",
    covered: services("Services go up and down, and the others go on"),
  },
  {
    name: "should work after the service has been recreated",
    covered: churn("deleted and made again, with another and with the same cluster IP"),
  },
  {
    name: "should work after restarting kube-proxy [Disruptive]",
    covered: [
      ...portico("goes on where it was after it was killed, whatever happened meanwhile"),
      ...faults("is killed under traffic: nothing notices, what changed meanwhile is applied"),
    ],
  },
  {
    name: "should work after restarting apiserver [Disruptive]",
    covered: portico("lets the API server be gone under traffic, and applies what changed"),
  },
];

const DOORS: readonly Entry[] = [
  {
    name: "should be able to create a functioning NodePort service",
    conformance: true,
    covered: services("a node port answers on every node, from Pods, the host and outside"),
  },
  {
    name:
      "should be possible to connect to a service via ExternalIP when the external IP is not " +
      "assigned to a node",
    covered: services("an external IP that no node has answers Pods"),
  },
  {
    name:
      "should be able to update service type to NodePort listening on same port number but " +
      "different protocols",
    covered: [
      ...churn("ClusterIP to NodePort to LoadBalancer and back: the cluster IP does not notice"),
      ...udp(
        "TCP and UDP on the same port: each takes its own way, and goes alone",
        "ClusterIP to NodePort to LoadBalancer and back, and another node port",
      ),
    ],
  },
  ...[
    "from ExternalName to ClusterIP",
    "from ExternalName to NodePort",
    "from ClusterIP to ExternalName",
    "from NodePort to ExternalName",
  ].map(
    (change): Entry => ({
      name: `should be able to change the type ${change}`,
      conformance: true,
      covered: churn("a Service that becomes an ExternalName is nobody's, until it comes back"),
    }),
  ),
  { name: "should prevent NodePort collisions", reason: API_ONLY },
  { name: "should check NodePort out-of-range", reason: API_ONLY },
  {
    name: "should release NodePorts on delete",
    covered: services("nothing listens on a node port, while it is served and after"),
  },
  {
    name: "should serve endpoints on same port and different protocols",
    conformance: true,
    covered: [
      ...cases("UDP and TCP on the same port of a Service lead each to its own target"),
      ...udp("TCP and UDP on the same port: each takes its own way, and goes alone"),
    ],
  },
  {
    name:
      "should serve endpoints on same port and different protocol for internal traffic on Type " +
      "LoadBalancer",
    covered: [
      ...cases("UDP and TCP on the same port of a Service lead each to its own target"),
      ...udp("TCP and UDP on the same port: each takes its own way, and goes alone"),
    ],
  },
  {
    name: "should allow creating a basic SCTP service with pod and endpoints [LinuxOnly][Serial]",
    covered: sctp(
      "no rule reads SCTP",
      "after all this, and a cleanup, the kernel has no more of SCTP than before",
    ),
  },
];

const TERMINATING_HERE = endpoints(
  "a Pod that terminates and still serves answers until another is ready",
);

const ENDPOINTS: readonly Entry[] = [
  {
    name: "should create endpoints for unready pods",
    covered: endpoints(
      "publishNotReadyAddresses on, off, on: an unready Pod, then a terminating one",
    ),
  },
  {
    name:
      "should be able to connect to terminating and unready endpoints if " +
      "PublishNotReadyAddresses is true",
    covered: endpoints(
      "terminating and unready Pods answer at every door with publishNotReadyAddresses",
    ),
  },
  {
    name:
      "should not be able to connect to terminating and unready endpoints if " +
      "PublishNotReadyAddresses is false",
    covered: endpoints(
      "terminating and unready Pods do not answer without publishNotReadyAddresses",
    ),
  },
  {
    name: "should be rejected when no endpoints exist",
    covered: [
      ...portico("serves a Service from no Pod to three and back, refused in between"),
      ...cases("a Service without EndpointSlices is refused"),
    ],
  },
  {
    name: "should be rejected for evicted pods (no endpoints exist)",
    covered: endpoints("an evicted Pod is no endpoint, published unready or not"),
  },
  {
    name: "should fail health check node port if there are only terminating endpoints",
    covered: endpoints(
      "terminating Pods fail the load balancer's check, and the node port still serves",
    ),
  },
  {
    name:
      "should fallback to terminating endpoints when there are no ready endpoints with " +
      "internalTrafficPolicy=Cluster",
    covered: TERMINATING_HERE,
  },
  {
    name:
      "should fallback to local terminating endpoints when there are no ready endpoints with " +
      "internalTrafficPolicy=Local",
    covered: endpoints("internalTrafficPolicy Local: a terminating Pod answers on its node alone"),
  },
  {
    name:
      "should fallback to terminating endpoints when there are no ready endpoints with " +
      "externallTrafficPolicy=Cluster",
    covered: TERMINATING_HERE,
  },
  {
    name:
      "should fallback to local terminating endpoints when there are no ready endpoints with " +
      "externalTrafficPolicy=Local",
    covered: endpoints("externalTrafficPolicy Local: a terminating Pod answers on its node alone"),
  },
];

const EVERYBODY = "internalTrafficPolicy Local: everybody reaches what is on their own node alone";
const HOST_NETWORK = "internalTrafficPolicy Local: so it is with a Pod in the host network";

const POLICIES: readonly Entry[] = [
  {
    name: "should respect internalTrafficPolicy=Local Pod to Pod",
    covered: endpoints(EVERYBODY),
  },
  {
    name: "should respect internalTrafficPolicy=Local Pod (hostNetwork: true) to Pod",
    covered: endpoints(EVERYBODY),
  },
  {
    name: "should respect internalTrafficPolicy=Local Pod and Node, to Pod (hostNetwork: true)",
    covered: endpoints(HOST_NETWORK),
  },
  {
    name: "should implement service.kubernetes.io/service-proxy-name",
    covered: churn("the label service-proxy-name comes and goes"),
  },
  {
    name: "should implement service.kubernetes.io/headless",
    covered: [
      ...churn("the label headless comes and goes on a slice; on its Service it is nothing"),
      ...cases("a slice with the headless label does not count"),
    ],
  },
];

const SAME_BACKEND = affinity(
  "keeps each client with its backend, at whichever address of the Service",
);
const TIMEOUT = [
  ...affinity("is over after its timeout"),
  ...inFile("wasm/affinity")("is over after so many seconds without a connection"),
];
const SWITCHED = churn("session affinity goes on and off");

const AFFINITY: readonly Entry[] = [
  ["should have session affinity work for service with type clusterIP [LinuxOnly]", SAME_BACKEND],
  ["should have session affinity work for NodePort service [LinuxOnly]", SAME_BACKEND],
  ["should be able to switch session affinity for service with type clusterIP", SWITCHED],
  ["should be able to switch session affinity for NodePort service", SWITCHED],
].map(([name, covered]) => ({ name, conformance: true, covered }) as Entry);

const AFFINITY_TIMEOUT: readonly Entry[] = [
  {
    name: "should have session affinity timeout work for service with type clusterIP [LinuxOnly]",
    covered: TIMEOUT,
  },
  {
    name: "should have session affinity timeout work for NodePort service [LinuxOnly]",
    covered: [
      ...TIMEOUT,
      ...inFile("wasm/affinity")("is the ServicePort, whichever frontend of it is dialled"),
    ],
  },
];

const API: readonly Entry[] = [
  "should find a service from listing all namespaces",
  "should test the lifecycle of an Endpoint",
  "should complete a service status lifecycle",
  "should delete a collection of services",
].map((name) => ({ name, conformance: true, reason: API_ONLY }));

export const SERVICES: E2eFile = {
  file: "service.go",
  entries: [
    ...BASICS,
    ...DOORS,
    ...ENDPOINTS,
    ...POLICIES,
    ...AFFINITY,
    ...AFFINITY_TIMEOUT,
    ...API,
  ],
};
