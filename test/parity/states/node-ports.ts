// Node ports with externalTrafficPolicy Cluster, over TCP and IPv4: on which addresses, for whom.

import { door, endpoint, type State, service, slice, spread, state, UNREADY } from "../state.ts";
import {
  NODE_PORT,
  NODE_PORT_SPEC,
  ON_LOOPBACK,
  ON_NODE_1,
  ON_NODE_2,
  ON_SECOND_ADDRESS,
  WEB,
} from "./doors.ts";

const ON_NODES = [ON_NODE_1, ON_NODE_2];

export const NODE_PORTS: readonly State[] = [
  state(
    "one backend on node 1",
    [service(NODE_PORT_SPEC), slice(["pod-a"])],
    spread([...ON_NODES, WEB]),
  ),
  state(
    "one backend on node 2",
    [service(NODE_PORT_SPEC), slice(["pod-c"])],
    spread([...ON_NODES, WEB]),
  ),
  state(
    "backends on three nodes",
    [service(NODE_PORT_SPEC), slice(["pod-a", "pod-d", "pod-e"])],
    spread(ON_NODES),
  ),
  state(
    "backends in the host network",
    [service(NODE_PORT_SPEC), slice(["node-1", "node-2"])],
    spread(ON_NODES),
  ),
  state("no endpoints", [service(NODE_PORT_SPEC)], spread(ON_NODES)),
  state(
    "an unready endpoint",
    [service(NODE_PORT_SPEC), slice([endpoint("pod-a", { conditions: UNREADY })])],
    spread(ON_NODES),
  ),
  state(
    "addresses of a node that are not its primary one, and those of other machines",
    [service(NODE_PORT_SPEC), slice(["pod-a"])],
    spread([
      ON_SECOND_ADDRESS,
      door("192.0.2.3", NODE_PORT),
      door("10.1.1.11", NODE_PORT),
      door("192.0.2.200", NODE_PORT),
    ]),
  ),
  state(
    "on loopback",
    [service(NODE_PORT_SPEC), slice(["pod-a"])],
    spread([ON_LOOPBACK], ["node-1", "node-2"]),
  ),
  state(
    "other ports of the node are the node's",
    [service(NODE_PORT_SPEC), slice(["pod-a"])],
    spread(["192.0.2.1:8080", "192.0.2.1:80", "192.0.2.1:30081", "192.0.2.2:9090"]),
  ),
  state(
    "the node port on the cluster IP",
    [service(NODE_PORT_SPEC), slice(["pod-a"])],
    spread([door("10.96.0.10", NODE_PORT)]),
  ),
  state(
    "some ports have a node port",
    [
      service({
        type: "LoadBalancer",
        allocateLoadBalancerNodePorts: false,
        ports: [
          { name: "http", port: 80, nodePort: NODE_PORT },
          { name: "admin", port: 81 },
        ],
      }),
      slice(["pod-a", "pod-c"], {
        ports: [
          { name: "http", port: 8080 },
          { name: "admin", port: 9090 },
        ],
      }),
    ],
    spread([ON_NODE_1, WEB, "10.96.0.10:81", "192.0.2.1:81"]),
  ),
  state(
    "two Services with node ports",
    [
      service(NODE_PORT_SPEC),
      slice(["pod-a"]),
      service(
        {
          type: "NodePort",
          clusterIPs: ["10.96.0.11"],
          ports: [{ port: 80, nodePort: 30_081 }],
        },
        { name: "api" },
      ),
      slice(["pod-c"], { service: "api" }),
    ],
    spread([ON_NODE_1, door("192.0.2.1", 30_081), door("192.0.2.2", 30_081)]),
  ),
];
