// Node ports: on the addresses of this node, masqueraded, for clients inside and outside.

import type { ConnectionCase } from "./case.ts";
import {
  at,
  connection,
  endpoint,
  keptBy,
  masqueradedTo,
  service,
  slice,
  UNREADY,
} from "./objects.ts";

const NODE_PORT = { type: "NodePort", ports: [{ port: 80, nodePort: 30080 }] };

export const NODE_PORT_CASES: readonly ConnectionCase[] = [
  {
    name: "a node port leads everybody to all endpoints, which see the node's address",
    objects: [service(NODE_PORT), slice(["pod-b", "pod-e"])],
    connections: [
      connection("outside", "192.0.2.1:30080", masqueradedTo(at("pod-b"), at("pod-e"))),
      connection("pod-a", "192.0.2.1:30080", masqueradedTo(at("pod-b"), at("pod-e"))),
      connection("host", "192.0.2.1:30080", masqueradedTo(at("pod-b"), at("pod-e"))),
    ],
  },
  {
    name: "a Service with a node port still has its cluster IP, and only the Service's port there",
    objects: [service(NODE_PORT), slice(["pod-b"])],
    connections: [
      connection("pod-a", "10.96.0.10:80", keptBy(at("pod-b"))),
      connection("pod-a", "10.96.0.10:30080", "refused"),
    ],
  },
  {
    name: "a node port without a ready endpoint is refused",
    objects: [service(NODE_PORT), slice([endpoint("pod-b", UNREADY)])],
    connections: [
      connection("outside", "192.0.2.1:30080", "refused"),
      connection("pod-a", "192.0.2.1:30080", "refused"),
      connection("host", "192.0.2.1:30080", "refused"),
    ],
  },
  {
    name: "a node port on an address that is not this node's is left alone",
    objects: [service(NODE_PORT), slice(["pod-b"])],
    connections: [
      connection("pod-a", "192.0.2.2:30080", "untouched"),
      connection("pod-a", "10.1.1.11:30080", "untouched"),
      connection("host", "192.0.2.2:30080", "untouched"),
    ],
  },
  {
    name: "a node port on loopback is left alone",
    objects: [service(NODE_PORT), slice(["pod-b"])],
    connections: [connection("host", "127.0.0.1:30080", "untouched")],
  },
  {
    name: "ports of the node that are no node ports are left alone",
    objects: [service(NODE_PORT), slice(["pod-b"])],
    connections: [
      connection("outside", "192.0.2.1:80", "untouched"),
      connection("outside", "192.0.2.1:30081", "untouched"),
      connection("outside", "192.0.2.1:8080", "untouched"),
      connection("pod-a", "192.0.2.1:30079", "untouched"),
    ],
  },
  {
    name: "every port of a Service may have a node port, or none",
    objects: [
      service({
        type: "NodePort",
        ports: [
          { name: "http", port: 80, nodePort: 30080 },
          { name: "admin", port: 90, nodePort: 30090 },
          { name: "metrics", port: 91 },
        ],
      }),
      slice(["pod-b"], {
        ports: [
          { name: "http", port: 8080 },
          { name: "admin", port: 9090 },
          { name: "metrics", port: 8081 },
        ],
      }),
    ],
    connections: [
      connection("outside", "192.0.2.1:30080", masqueradedTo(at("pod-b", 8080))),
      connection("outside", "192.0.2.1:30090", masqueradedTo(at("pod-b", 9090))),
      connection("pod-a", "10.96.0.10:91", keptBy(at("pod-b", 8081))),
      connection("outside", "192.0.2.1:91", "untouched"),
    ],
  },
  {
    name: "the node port of a load balancer's Service is served",
    objects: [service({ ...NODE_PORT, type: "LoadBalancer" }), slice(["pod-b"])],
    connections: [connection("outside", "192.0.2.1:30080", masqueradedTo(at("pod-b")))],
  },
  {
    name: "a Service whose type changes loses its node port and keeps its cluster IP",
    objects: [service(NODE_PORT), slice(["pod-b"])],
    connections: [connection("outside", "192.0.2.1:30080", masqueradedTo(at("pod-b")))],
    later: [
      {
        objects: [service(), slice(["pod-b"])],
        connections: [
          connection("outside", "192.0.2.1:30080", "untouched"),
          connection("pod-a", "10.96.0.10:80", keptBy(at("pod-b"))),
        ],
      },
      {
        objects: [
          service({ type: "NodePort", ports: [{ port: 80, nodePort: 30099 }] }),
          slice(["pod-b"]),
        ],
        connections: [
          connection("outside", "192.0.2.1:30080", "untouched"),
          connection("outside", "192.0.2.1:30099", masqueradedTo(at("pod-b"))),
        ],
      },
    ],
  },
];
