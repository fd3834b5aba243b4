// loadBalancerSourceRanges: who gets through at the load balancer's address, and at it alone.

import type { ConnectionCase } from "./case.ts";
import { at, connection, keptBy, masqueradedTo, service, slice, withIngress } from "./objects.ts";

const LB = "203.0.113.9:80";

function balanced(spec: object) {
  const all = { type: "LoadBalancer", ports: [{ port: 80, nodePort: 30080 }], ...spec };
  return withIngress(service(all), { ip: "203.0.113.9" });
}

export const SOURCE_RANGE_CASES: readonly ConnectionCase[] = [
  {
    name: "who is in no source range of a load balancer is dropped",
    objects: [balanced({ loadBalancerSourceRanges: ["192.0.2.200/32"] }), slice(["pod-b"])],
    connections: [
      connection("outside", LB, masqueradedTo(at("pod-b"))),
      connection("pod-f", LB, "dropped"),
      connection("pod-a", LB, "dropped"),
      connection("host", LB, "dropped"),
    ],
  },
  {
    name: "source ranges do not hold for node ports, external IPs and cluster IPs",
    objects: [
      balanced({
        externalIPs: ["203.0.113.7"],
        loadBalancerSourceRanges: ["198.51.100.0/24", " 10.1.1.0/24 "],
      }),
      slice(["pod-b"]),
    ],
    connections: [
      connection("outside", LB, "dropped"),
      connection("pod-a", LB, masqueradedTo(at("pod-b"))),
      connection("outside", "192.0.2.1:30080", masqueradedTo(at("pod-b"))),
      connection("outside", "203.0.113.7:80", masqueradedTo(at("pod-b"))),
      connection("pod-a", "10.96.0.10:80", keptBy(at("pod-b"))),
    ],
  },
  {
    name: "source ranges come before everything else: dropped, not refused",
    objects: [balanced({ loadBalancerSourceRanges: ["192.0.2.200/32"] })],
    connections: [connection("outside", LB, "refused"), connection("pod-a", LB, "dropped")],
  },
  {
    name: "source ranges that hold everybody, one within another, and none",
    objects: [
      balanced({ loadBalancerSourceRanges: ["198.51.100.0/24", "0.0.0.0/0"] }),
      slice(["pod-b"]),
    ],
    connections: [connection("pod-a", LB, masqueradedTo(at("pod-b")))],
    later: [
      {
        objects: [
          balanced({ loadBalancerSourceRanges: ["192.0.2.0/24", "192.0.2.192/26"] }),
          slice(["pod-b"]),
        ],
        connections: [
          connection("outside", LB, masqueradedTo(at("pod-b"))),
          connection("host", LB, masqueradedTo(at("pod-b"))),
          connection("pod-a", LB, "dropped"),
        ],
      },
      {
        objects: [balanced({ loadBalancerSourceRanges: ["192.0.2.192/26"] }), slice(["pod-b"])],
        connections: [
          connection("outside", LB, masqueradedTo(at("pod-b"))),
          connection("host", LB, "dropped"),
        ],
      },
      {
        objects: [balanced({}), slice(["pod-b"])],
        connections: [
          connection("pod-a", LB, masqueradedTo(at("pod-b"))),
          connection("host", LB, masqueradedTo(at("pod-b"))),
        ],
      },
    ],
  },
  {
    name: "source ranges and externalTrafficPolicy Local",
    needs: ["local-pods"],
    objects: [
      balanced({
        externalTrafficPolicy: "Local",
        loadBalancerSourceRanges: ["192.0.2.200/32", "10.1.1.0/24"],
      }),
      slice(["pod-b", "pod-e"]),
    ],
    connections: [
      connection("outside", LB, keptBy(at("pod-b"))),
      connection("pod-a", LB, keptBy(at("pod-b"), at("pod-e"))),
      connection("pod-f", LB, "dropped"),
      connection("host", LB, "dropped"),
    ],
  },
];
