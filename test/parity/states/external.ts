// externalIPs and load balancer addresses, with externalTrafficPolicy Cluster.

import {
  door,
  ingress,
  type ServiceSpec,
  type State,
  service,
  slice,
  spread,
  state,
} from "../state.ts";
import {
  EXTERNAL,
  EXTERNAL_IP,
  LB,
  LB_IP,
  NODE_PORT,
  NODE_PORT_SPEC,
  ON_NODE_1,
  WEB,
} from "./doors.ts";

const WITH_EXTERNAL_IP: ServiceSpec = { externalIPs: [EXTERNAL_IP] };

export const EXTERNAL_IPS: readonly State[] = [
  state(
    "backends on both nodes",
    [service(WITH_EXTERNAL_IP), slice(["pod-a", "pod-c"])],
    spread([EXTERNAL, WEB]),
  ),
  state("no endpoints", [service(WITH_EXTERNAL_IP)], spread([EXTERNAL])),
  state(
    "a port that the Service does not have",
    [service(WITH_EXTERNAL_IP), slice(["pod-a"])],
    spread([door(EXTERNAL_IP, 81), door(EXTERNAL_IP, 8080)]),
  ),
  state(
    "an address that no Service has",
    [service(WITH_EXTERNAL_IP), slice(["pod-a"])],
    spread(["203.0.113.99:80"]),
  ),
  state(
    "two Services share an address, with different ports",
    [
      service(WITH_EXTERNAL_IP),
      slice(["pod-a"]),
      service(
        { ...WITH_EXTERNAL_IP, clusterIPs: ["10.96.0.11"], ports: [{ port: 81 }] },
        { name: "api" },
      ),
      slice(["pod-c"], { service: "api", ports: [{ port: 9090 }] }),
    ],
    spread([EXTERNAL, door(EXTERNAL_IP, 81)]),
  ),
  state(
    "an address of the node itself",
    [service({ externalIPs: ["192.0.2.1"] }), slice(["pod-a", "pod-c"])],
    spread(["192.0.2.1:80", "192.0.2.1:8080"]),
  ),
  state(
    "an external IP, and a node port",
    [service({ ...NODE_PORT_SPEC, ...WITH_EXTERNAL_IP }), slice(["pod-a", "pod-c"])],
    spread([EXTERNAL, ON_NODE_1, door(EXTERNAL_IP, NODE_PORT)]),
  ),
];

const LOAD_BALANCER: ServiceSpec = { ...NODE_PORT_SPEC, type: "LoadBalancer" };
const BALANCED = { status: ingress(LB_IP) };

function ranges(...sources: string[]): ServiceSpec {
  return { ...LOAD_BALANCER, loadBalancerSourceRanges: sources };
}

function inRanges(name: string, sources: string[]): State {
  return state(
    `source ranges: ${name}`,
    [
      service({ ...ranges(...sources), externalIPs: [EXTERNAL_IP] }, BALANCED),
      slice(["pod-a", "pod-c"]),
    ],
    [...spread([LB]), ...spread([ON_NODE_1, EXTERNAL, WEB], ["client-1", "node-1", "outside"])],
  );
}

export const LOAD_BALANCERS: readonly State[] = [
  state(
    "backends on both nodes",
    [service(LOAD_BALANCER, BALANCED), slice(["pod-a", "pod-c"])],
    spread([LB, ON_NODE_1, WEB]),
  ),
  state("no endpoints", [service(LOAD_BALANCER, BALANCED)], spread([LB, ON_NODE_1])),
  state(
    "ports that the Service does not have",
    [service(LOAD_BALANCER, BALANCED), slice(["pod-a"])],
    spread([door(LB_IP, 81), door(LB_IP, NODE_PORT), door(LB_IP, 8080)]),
  ),
  state(
    "several addresses",
    [service(LOAD_BALANCER, { status: ingress(LB_IP, "203.0.113.21") }), slice(["pod-a", "pod-c"])],
    spread([LB, "203.0.113.21:80"]),
  ),
  state(
    "ipMode Proxy",
    [
      service(LOAD_BALANCER, {
        status: ingress({ ip: LB_IP, ipMode: "Proxy" }, { ip: "203.0.113.21", ipMode: "VIP" }),
      }),
      slice(["pod-a"]),
    ],
    spread([LB, "203.0.113.21:80", ON_NODE_1]),
  ),
  state(
    "no node ports",
    [
      service(
        { type: "LoadBalancer", allocateLoadBalancerNodePorts: false, ports: [{ port: 80 }] },
        BALANCED,
      ),
      slice(["pod-a", "pod-c"]),
    ],
    spread([LB, WEB]),
  ),
  state(
    "spec.loadBalancerIP alone is no address",
    [service({ ...LOAD_BALANCER, loadBalancerIP: LB_IP }), slice(["pod-a"])],
    spread([LB]),
  ),
  inRanges("the outside", ["192.0.2.200/32"]),
  inRanges("the nodes and the outside", ["192.0.2.0/24"]),
  inRanges("the Pods of node 1", ["10.1.1.0/24"]),
  inRanges("node 1", ["192.0.2.1/32"]),
  inRanges("nobody here", ["198.51.100.0/24"]),
  inRanges("several, one of which is of the other family", ["192.0.2.3/32", "fd00:2::/64"]),
  inRanges("only of the other family", ["fd00:2::/64"]),
  state(
    "source ranges without endpoints",
    [service(ranges("192.0.2.200/32"), BALANCED)],
    spread([LB]),
  ),
  state(
    "source ranges and policy Local",
    [
      service(
        { ...ranges("192.0.2.200/32", "10.1.0.0/16"), externalTrafficPolicy: "Local" },
        BALANCED,
      ),
      slice(["pod-c"]),
    ],
    spread([LB, ON_NODE_1]),
  ),
];
