// External IPs and load balancer addresses: for everybody, masqueraded, on the Service's ports
// only.

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
  withIngress,
} from "./objects.ts";

const EXTERNAL = { externalIPs: ["203.0.113.7"] };
const AT = "203.0.113.7:80";
const LOAD_BALANCER = { type: "LoadBalancer", ports: [{ port: 80, nodePort: 30080 }] };
const LB = "203.0.113.9:80";

const everybodyTo = (to: string, ...backends: string[]) => [
  connection("outside", to, masqueradedTo(...backends)),
  connection("pod-f", to, masqueradedTo(...backends)),
  connection("pod-a", to, masqueradedTo(...backends)),
  connection("host", to, masqueradedTo(...backends)),
];

export const EXTERNAL_CASES: readonly ConnectionCase[] = [
  {
    name: "an external IP leads everybody to all endpoints, which see the node's address",
    objects: [service(EXTERNAL), slice(["pod-b", "pod-e"])],
    connections: [
      ...everybodyTo(AT, at("pod-b"), at("pod-e")),
      connection("pod-a", "10.96.0.10:80", keptBy(at("pod-b"), at("pod-e"))),
    ],
  },
  {
    name: "ports of an external IP that are not the Service's are left alone",
    objects: [service({ ...EXTERNAL, ports: [{ port: 80, nodePort: 30080 }] }), slice(["pod-b"])],
    connections: [
      connection("outside", "203.0.113.7:81", "untouched"),
      connection("outside", "203.0.113.7:30080", "untouched"),
      connection("pod-a", "203.0.113.7:8080", "untouched"),
      connection("host", "203.0.113.7:81", "untouched"),
      connection("pod-a", "203.0.113.8:80", "untouched"),
    ],
  },
  {
    name: "an external IP without a ready endpoint is refused",
    objects: [service(EXTERNAL), slice([endpoint("pod-b", UNREADY)])],
    connections: [
      connection("outside", AT, "refused"),
      connection("pod-a", AT, "refused"),
      connection("host", AT, "refused"),
    ],
  },
  {
    name: "Services share an external IP by their ports",
    objects: [
      service(EXTERNAL),
      slice(["pod-b"]),
      service({ ...EXTERNAL, clusterIP: "10.96.0.11", ports: [{ port: 81 }] }, { name: "api" }),
      slice(["pod-c"], { serviceName: "api", ports: [{ port: 9090 }] }),
    ],
    connections: [
      connection("outside", AT, masqueradedTo(at("pod-b"))),
      connection("outside", "203.0.113.7:81", masqueradedTo(at("pod-c", 9090))),
    ],
  },
  {
    name: "an external IP comes and goes",
    objects: [service(), slice(["pod-b"])],
    connections: [connection("pod-a", AT, "untouched"), connection("host", AT, "untouched")],
    later: [
      {
        objects: [service(EXTERNAL), slice(["pod-b"])],
        connections: everybodyTo(AT, at("pod-b")),
      },
      {
        objects: [service(), slice(["pod-b"])],
        connections: [connection("pod-a", AT, "untouched"), connection("host", AT, "untouched")],
      },
    ],
  },
  {
    name: "an external IP may be the node's own",
    objects: [service({ externalIPs: ["192.0.2.1"] }), slice(["pod-b"])],
    connections: [
      ...everybodyTo("192.0.2.1:80", at("pod-b")),
      connection("outside", "192.0.2.1:81", "untouched"),
    ],
  },
  {
    name: "a load balancer's address leads everybody who gets here to all endpoints",
    objects: [
      withIngress(service(LOAD_BALANCER), { ip: "203.0.113.9" }),
      slice(["pod-b", "pod-e"]),
    ],
    connections: [
      ...everybodyTo(LB, at("pod-b"), at("pod-e")),
      connection("outside", "192.0.2.1:30080", masqueradedTo(at("pod-b"), at("pod-e"))),
      connection("outside", "203.0.113.9:30080", "untouched"),
    ],
  },
  {
    name: "of a load balancer's addresses, those of mode VIP are served, and no hostname",
    objects: [
      withIngress(
        service(LOAD_BALANCER),
        { ip: "203.0.113.9", ipMode: "VIP" },
        { ip: "203.0.113.10", ipMode: "Proxy" },
        { hostname: "lb.example.org" },
      ),
      slice(["pod-b"]),
    ],
    connections: [
      connection("pod-a", LB, masqueradedTo(at("pod-b"))),
      connection("pod-a", "203.0.113.10:80", "untouched"),
      connection("host", "203.0.113.10:80", "untouched"),
    ],
  },
  {
    name: "a load balancer without node ports is served at its address",
    objects: [
      withIngress(service({ type: "LoadBalancer", allocateLoadBalancerNodePorts: false }), {
        ip: "203.0.113.9",
      }),
      slice(["pod-b"]),
    ],
    connections: [
      ...everybodyTo(LB, at("pod-b")),
      connection("outside", "192.0.2.1:80", "untouched"),
    ],
  },
  {
    name: "a load balancer's address that is an external IP too is served once",
    objects: [
      withIngress(service({ ...LOAD_BALANCER, ...EXTERNAL }), { ip: "203.0.113.7" }),
      slice(["pod-b"]),
    ],
    connections: [connection("outside", AT, masqueradedTo(at("pod-b")))],
  },
  {
    name: "a Pod reaches itself through its Service's external IP",
    objects: [service(EXTERNAL), slice(["pod-a"])],
    connections: [connection("pod-a", AT, masqueradedTo(at("pod-a")))],
  },
];
