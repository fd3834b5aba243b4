// IPv6 and both families together.

import { addressOf, SECOND_ADDRESSES } from "../lab.ts";
import {
  type ClientList,
  door,
  endpoint,
  ingress,
  type KubernetesObject,
  type ServiceSpec,
  type State,
  sequence,
  service,
  slice,
  spread,
  state,
  TERMINATING,
} from "../state.ts";
import { NODE_PORT, ON_NODE_1, ON_NODE_1_V6, UNALLOCATED6, WEB, WEB6 } from "./doors.ts";

const IP6 = "fd00:96::10";
const ONLY: ServiceSpec = {
  type: "NodePort",
  clusterIPs: [IP6],
  ipFamilies: ["IPv6"],
  ports: [{ port: 80, targetPort: 8080, nodePort: NODE_PORT }],
};
const DUAL: ServiceSpec = {
  ...ONLY,
  clusterIPs: ["10.96.0.10", IP6],
  ipFamilies: ["IPv4", "IPv6"],
  ipFamilyPolicy: "RequireDualStack",
};
const DOORS = [WEB6, ON_NODE_1_V6];
const EXTERNAL6 = "fd00:203::10";
const LB6 = "fd00:203::20";

function six(endpoints: Parameters<typeof slice>[0]): KubernetesObject {
  return slice(endpoints, { family: "IPv6" });
}

const HALF: ClientList = ["client-1", "pod-a", "node-1", "outside"];

export const IPV6: readonly State[] = [
  state("one backend on node 1", [service(ONLY), six(["pod-a"])], spread(DOORS)),
  state("one backend on node 2", [service(ONLY), six(["pod-c"])], spread(DOORS)),
  state(
    "backends on three nodes",
    [service(ONLY), six(["pod-a", "pod-b", "pod-c", "pod-e"])],
    spread([...DOORS, door(addressOf("node-2", "IPv6"), NODE_PORT)]),
  ),
  state("backends in the host network", [service(ONLY), six(["node-1", "node-2"])], spread(DOORS)),
  state("no endpoints", [service(ONLY)], spread(DOORS)),
  state(
    "what belongs to nobody",
    [service(ONLY), six(["pod-a"])],
    spread([UNALLOCATED6, door(IP6, 81), door(IP6, 8080), door(SECOND_ADDRESSES.IPv6, NODE_PORT)]),
  ),
  state(
    "on loopback",
    [service(ONLY), six(["pod-a"])],
    spread([door("::1", NODE_PORT)], ["node-1"]),
  ),
  state(
    "IPv4 node ports of an IPv6 Service, and its IPv4 slices",
    [service(ONLY), six(["pod-a"]), slice(["pod-c"])],
    spread([ON_NODE_1, ...DOORS], HALF),
  ),
  state(
    "both families",
    [service(DUAL), slice(["pod-a", "pod-c"]), six(["pod-a", "pod-c"])],
    spread([WEB, WEB6, ON_NODE_1, ON_NODE_1_V6], HALF),
  ),
  state(
    "both families, endpoints of one: IPv4",
    [service(DUAL), slice(["pod-a", "pod-c"])],
    spread([WEB, WEB6, ON_NODE_1, ON_NODE_1_V6], HALF),
  ),
  state(
    "both families, endpoints of one: IPv6",
    [service(DUAL), six(["pod-a", "pod-c"])],
    spread([WEB, WEB6, ON_NODE_1, ON_NODE_1_V6], HALF),
  ),
  state(
    "both families, with different endpoints",
    [service(DUAL), slice(["pod-a"]), six([endpoint("pod-c", { conditions: TERMINATING })])],
    spread([WEB, WEB6, ON_NODE_1, ON_NODE_1_V6], HALF),
  ),
  state(
    "externalTrafficPolicy Local",
    [service({ ...ONLY, externalTrafficPolicy: "Local" }), six(["pod-c"])],
    spread(DOORS),
  ),
  state(
    "internalTrafficPolicy Local",
    [service({ ...ONLY, internalTrafficPolicy: "Local" }), six(["pod-c"])],
    spread([WEB6]),
  ),
  state(
    "external IP and load balancer with source ranges of both families",
    [
      service(
        {
          ...DUAL,
          type: "LoadBalancer",
          externalIPs: [EXTERNAL6, "203.0.113.10"],
          loadBalancerSourceRanges: ["fd00:2::c8/128", "10.1.0.0/16"],
        },
        { status: ingress(LB6, "203.0.113.20") },
      ),
      slice(["pod-a"]),
      six(["pod-a", "pod-c"]),
    ],
    spread([door(EXTERNAL6, 80), door(LB6, 80), "203.0.113.20:80", "203.0.113.10:80"]),
  ),
  state(
    "affinity",
    [service({ ...DUAL, sessionAffinity: "ClientIP" }), six(["pod-a", "pod-b", "pod-c"])],
    HALF.map((from) => sequence(from, [WEB6, WEB6, WEB6, WEB6, WEB6, WEB6])),
  ),
  state(
    "UDP",
    [
      service({
        ...ONLY,
        ports: [{ port: 80, protocol: "UDP", nodePort: NODE_PORT, targetPort: 8080 }],
      }),
      slice(["pod-a", "pod-c"], { family: "IPv6", ports: [{ port: 8080, protocol: "UDP" }] }),
    ],
    spread([...DOORS, UNALLOCATED6, door(IP6, 81)], undefined, "UDP"),
  ),
];
