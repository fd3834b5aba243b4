// UDP over IPv4: the same front doors, and what lives on when endpoints come and go.

import {
  type Endpoint,
  endpoint,
  flow,
  ingress,
  type KubernetesObject,
  type Probe,
  type ServiceSpec,
  type State,
  sequence,
  service,
  slice,
  spread,
  state,
  TERMINATING,
} from "../state.ts";
import {
  EXTERNAL,
  EXTERNAL_IP,
  LB,
  LB_IP,
  NODE_PORT,
  ON_NODE_1,
  ON_NODE_2,
  ON_SECOND_ADDRESS,
  UNALLOCATED,
  WEB,
} from "./doors.ts";

const PORT = { name: "dns", port: 80, protocol: "UDP", nodePort: NODE_PORT, targetPort: 8080 };
const UDP: ServiceSpec = { type: "NodePort", ports: [PORT] };
const { nodePort: _, ...PLAIN_PORT } = PORT;
const PLAIN: ServiceSpec = { ports: [PLAIN_PORT] };

function udpSlice(endpoints: Parameters<typeof slice>[0]): KubernetesObject {
  return slice(endpoints, { ports: [{ name: "dns", port: 8080, protocol: "UDP" }] });
}

function udp(doors: readonly string[], clients?: Parameters<typeof spread>[1]): Probe[] {
  return spread(doors, clients, "UDP");
}

/** Both transports on port 80; each with a slice of its own. */
function twoProtocols(tcp: Endpoint[], datagrams: Endpoint[]): KubernetesObject[] {
  const ports = [
    { name: "web", port: 80, protocol: "TCP", nodePort: NODE_PORT },
    { ...PORT, nodePort: NODE_PORT },
  ];
  return [
    service({ type: "NodePort", ports }),
    slice(tcp, { name: "web-tcp", ports: [{ name: "web", port: 8081 }] }),
    udpSlice(datagrams),
  ];
}

export const DATAGRAMS: readonly State[] = [
  state("one backend on node 1", [service(UDP), udpSlice(["pod-a"])], udp([WEB, ON_NODE_1])),
  state("one backend on node 2", [service(UDP), udpSlice(["pod-c"])], udp([WEB, ON_NODE_1])),
  state(
    "backends on three nodes",
    [service(UDP), udpSlice(["pod-a", "pod-b", "pod-d", "pod-e"])],
    udp([WEB, ON_NODE_1, ON_NODE_2]),
  ),
  state(
    "backends in the host network",
    [service(UDP), udpSlice(["node-1", "node-2"])],
    udp([WEB, ON_NODE_1]),
  ),
  state("no endpoints", [service(UDP)], udp([WEB, ON_NODE_1])),
  state(
    "what belongs to nobody",
    [service(UDP), udpSlice(["pod-a"])],
    udp([UNALLOCATED, "10.96.0.10:81", "10.96.0.10:8080", ON_SECOND_ADDRESS, "192.0.2.1:8080"]),
  ),
  state("on loopback", [service(UDP), udpSlice(["pod-a"])], udp(["127.0.0.1:30080"], ["node-1"])),
  state(
    "a backend that refuses",
    [service(PLAIN), slice(["pod-a"], { ports: [{ name: "dns", port: 7, protocol: "UDP" }] })],
    udp([WEB], ["client-1", "node-1", "outside"]),
  ),
  state("TCP and UDP on the same port", twoProtocols(["pod-a", "pod-c"], ["pod-b"]), [
    ...udp([WEB, ON_NODE_1]),
    ...spread([WEB, ON_NODE_1]),
  ]),
  state("TCP and UDP on the same port, UDP without endpoints", twoProtocols(["pod-a"], []), [
    ...udp([WEB, ON_NODE_1]),
    ...spread([WEB, ON_NODE_1]),
  ]),
  state(
    "external IP and load balancer",
    [
      service(
        { ...UDP, type: "LoadBalancer", externalIPs: [EXTERNAL_IP] },
        { status: ingress(LB_IP) },
      ),
      udpSlice(["pod-a", "pod-c"]),
    ],
    udp([EXTERNAL, LB]),
  ),
  state(
    "internalTrafficPolicy Local",
    [service({ ...UDP, internalTrafficPolicy: "Local" }), udpSlice(["pod-c"])],
    udp([WEB, ON_NODE_1]),
  ),
  state(
    "externalTrafficPolicy Local, a backend on node 1",
    [service({ ...UDP, externalTrafficPolicy: "Local" }), udpSlice(["pod-a"])],
    udp([ON_NODE_1, ON_NODE_2]),
  ),
  state(
    "externalTrafficPolicy Local, a backend on node 2",
    [service({ ...UDP, externalTrafficPolicy: "Local" }), udpSlice(["pod-c"])],
    udp([ON_NODE_1, ON_NODE_2]),
  ),
  state(
    "affinity",
    [service({ ...UDP, sessionAffinity: "ClientIP" }), udpSlice(["pod-a", "pod-b", "pod-c"])],
    (["client-1", "pod-a", "node-1", "outside"] as const).map((from) =>
      sequence(from, Array(4).fill([WEB, ON_NODE_1]).flat(), { protocol: "UDP" }),
    ),
  ),
];

function flows(): Probe[] {
  return (["client-1", "node-1", "outside"] as const).flatMap((from) => [
    flow("to the cluster IP", from, WEB, "UDP"),
    flow("to the node port", from, ON_NODE_1, "UDP"),
  ]);
}

function steps(...each: KubernetesObject[]): State["steps"] {
  return each.map((endpoints) => ({ objects: [service(UDP), endpoints], probes: flows() }));
}

const GOING = endpoint("pod-a", { conditions: TERMINATING });

/** The same socket on and on, as DNS resolvers and `nc -u -p` do it (e2e "Conntrack"). */
export const DATAGRAM_FLOWS: readonly State[] = [
  { name: "the backend is replaced", steps: steps(udpSlice(["pod-a"]), udpSlice(["pod-c"])) },
  { name: "from none to one", steps: steps(udpSlice([]), udpSlice(["pod-a"])) },
  {
    name: "to none and back",
    steps: steps(udpSlice(["pod-a"]), udpSlice([]), udpSlice(["pod-c"])),
  },
  {
    name: "terminating keeps what it has",
    steps: steps(udpSlice(["pod-a"]), udpSlice([GOING, "pod-c"]), udpSlice(["pod-c"])),
  },
  {
    name: "the Service goes",
    steps: [
      { objects: [service(UDP), udpSlice(["pod-a"])], probes: flows() },
      { objects: [udpSlice(["pod-a"])], probes: flows() },
    ],
  },
];
