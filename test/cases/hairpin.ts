// Pods that are among the backends of the Service they call. Answered by itself, a Pod sees the
// node's address as the source: its own would never come back to the node.

import type { ConnectionCase } from "./case.ts";
import { at, connection, keptBy, masqueradedTo, service, slice } from "./objects.ts";

const WEB = "10.96.0.10:80";

export const HAIRPIN_CASES: readonly ConnectionCase[] = [
  {
    name: "a Pod that is its Service's only endpoint reaches itself",
    objects: [service(), slice(["pod-a"])],
    connections: [
      connection("pod-a", WEB, masqueradedTo(at("pod-a"))),
      connection("pod-b", WEB, keptBy(at("pod-a"))),
      connection("host", WEB, keptBy(at("pod-a"))),
    ],
  },
  {
    name: "a Pod among the endpoints: others see its address, it sees the node's",
    objects: [service(), slice(["pod-a", "pod-b", "pod-e"])],
    connections: [
      connection("pod-a", WEB, keptBy(at("pod-a"), at("pod-b"), at("pod-e"))),
      connection("pod-b", WEB, keptBy(at("pod-a"), at("pod-b"), at("pod-e"))),
      connection("pod-c", WEB, keptBy(at("pod-a"), at("pod-b"), at("pod-e"))),
    ],
  },
  {
    name: "a Pod reaches itself through the node port of its Service",
    objects: [
      service({ type: "NodePort", ports: [{ port: 80, nodePort: 30080 }] }),
      slice(["pod-a"]),
    ],
    connections: [connection("pod-a", "192.0.2.1:30080", masqueradedTo(at("pod-a")))],
  },
  {
    name: "a Pod that becomes an endpoint of one Service and is none of another any more",
    objects: [service(), slice(["pod-a"]), service({ clusterIP: "10.96.0.11" }, { name: "api" })],
    connections: [
      connection("pod-a", WEB, masqueradedTo(at("pod-a"))),
      connection("pod-a", "10.96.0.11:80", "refused"),
    ],
    later: [
      {
        objects: [
          service(),
          service({ clusterIP: "10.96.0.11" }, { name: "api" }),
          slice(["pod-a"], { serviceName: "api", ports: [{ port: 9090 }] }),
        ],
        connections: [
          connection("pod-a", WEB, "refused"),
          connection("pod-a", "10.96.0.11:80", masqueradedTo(at("pod-a", 9090))),
        ],
      },
    ],
  },
];
