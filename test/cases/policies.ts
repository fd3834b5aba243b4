// internalTrafficPolicy and externalTrafficPolicy Local: by who dials, and where endpoints are.

import type { ConnectionCase } from "./case.ts";
import {
  at,
  connection,
  endpoint,
  keptBy,
  masqueradedTo,
  service,
  slice,
  TERMINATING,
  UNREADY,
  withIngress,
} from "./objects.ts";

const LOCAL = { externalTrafficPolicy: "Local" };
const NODE_PORT = { type: "NodePort", ports: [{ port: 80, nodePort: 30080 }], ...LOCAL };
const NODE = "192.0.2.1:30080";
const WEB = "10.96.0.10:80";

/** Those who are not on this node: the endpoints here, address kept. Those who are: any. */
const byWho = (to: string, here: string[], all: string[]) => [
  connection("outside", to, here.length === 0 ? "dropped" : keptBy(...here)),
  connection("pod-f", to, here.length === 0 ? "dropped" : keptBy(...here)),
  connection("pod-a", to, keptBy(...all)),
  connection("host", to, masqueradedTo(...all)),
];

export const POLICY_CASES: readonly ConnectionCase[] = [
  {
    name: "externalTrafficPolicy Local: from outside to the endpoints here, address kept",
    needs: ["local-pods"],
    objects: [service(NODE_PORT), slice(["pod-b", "pod-c", "pod-e"])],
    connections: [
      ...byWho(NODE, [at("pod-b"), at("pod-c")], [at("pod-b"), at("pod-c"), at("pod-e")]),
      connection("pod-a", WEB, keptBy(at("pod-b"), at("pod-c"), at("pod-e"))),
    ],
  },
  {
    name: "externalTrafficPolicy Local without an endpoint here: dropped, but not from here",
    needs: ["local-pods"],
    objects: [service(NODE_PORT), slice(["pod-e"])],
    connections: byWho(NODE, [], [at("pod-e")]),
  },
  {
    name: "externalTrafficPolicy Local without any endpoint is refused, for everybody",
    objects: [service(NODE_PORT), slice([endpoint("pod-b", UNREADY)])],
    connections: [
      connection("outside", NODE, "refused"),
      connection("pod-f", NODE, "refused"),
      connection("pod-a", NODE, "refused"),
      connection("host", NODE, "refused"),
    ],
  },
  {
    name: "externalTrafficPolicy Local holds for external IPs and load balancers alike",
    needs: ["local-pods"],
    objects: [
      withIngress(service({ ...NODE_PORT, type: "LoadBalancer", externalIPs: ["203.0.113.7"] }), {
        ip: "203.0.113.9",
      }),
      slice(["pod-b", "pod-e"]),
    ],
    connections: [
      ...byWho("203.0.113.7:80", [at("pod-b")], [at("pod-b"), at("pod-e")]),
      ...byWho("203.0.113.9:80", [at("pod-b")], [at("pod-b"), at("pod-e")]),
    ],
  },
  {
    name: "externalTrafficPolicy Local: a Pod here reaches itself, and is seen as the node",
    needs: ["local-pods"],
    objects: [service(NODE_PORT), slice(["pod-a"])],
    connections: [
      connection("pod-a", NODE, masqueradedTo(at("pod-a"))),
      connection("outside", NODE, keptBy(at("pod-a"))),
    ],
  },
  {
    name: "externalTrafficPolicy Local falls back to terminating endpoints here, not to others'",
    needs: ["local-pods"],
    objects: [service(NODE_PORT), slice([endpoint("pod-b", TERMINATING), "pod-e"])],
    connections: byWho(NODE, [at("pod-b")], [at("pod-e")]),
  },
  {
    name: "externalTrafficPolicy comes and goes, and so do endpoints here",
    needs: ["local-pods"],
    objects: [service({ ...NODE_PORT, externalTrafficPolicy: "Cluster" }), slice(["pod-e"])],
    connections: [connection("outside", NODE, masqueradedTo(at("pod-e")))],
    later: [
      {
        objects: [service(NODE_PORT), slice(["pod-e"])],
        connections: byWho(NODE, [], [at("pod-e")]),
      },
      {
        objects: [service(NODE_PORT), slice(["pod-b", "pod-e"])],
        connections: byWho(NODE, [at("pod-b")], [at("pod-b"), at("pod-e")]),
      },
      {
        objects: [
          service({ ...NODE_PORT, externalTrafficPolicy: "Cluster" }),
          slice(["pod-b", "pod-e"]),
        ],
        connections: [connection("outside", NODE, masqueradedTo(at("pod-b"), at("pod-e")))],
      },
    ],
  },
  {
    name: "hints narrow down what Pods here find, not what is Local",
    needs: ["local-pods"],
    objects: [
      service(NODE_PORT),
      slice([
        endpoint("pod-b", {}, { forZones: [{ name: "zone-b" }] }),
        endpoint("pod-e", {}, { forZones: [{ name: "zone-a" }] }),
      ]),
    ],
    connections: byWho(NODE, [at("pod-b")], [at("pod-e")]),
  },
  {
    name: "internalTrafficPolicy Local does not narrow down what is external",
    objects: [
      service({ ...NODE_PORT, internalTrafficPolicy: "Local", externalTrafficPolicy: "Cluster" }),
      slice(["pod-e"]),
    ],
    connections: [
      connection("pod-a", WEB, "dropped"),
      connection("host", WEB, "dropped"),
      connection("outside", NODE, masqueradedTo(at("pod-e"))),
      connection("pod-a", NODE, masqueradedTo(at("pod-e"))),
    ],
  },
  {
    name: "both policies Local: Pods here are short-circuited at the node port alone",
    needs: ["local-pods"],
    objects: [service({ ...NODE_PORT, internalTrafficPolicy: "Local" }), slice(["pod-b", "pod-e"])],
    connections: [
      connection("pod-a", WEB, keptBy(at("pod-b"))),
      ...byWho(NODE, [at("pod-b")], [at("pod-b"), at("pod-e")]),
    ],
    later: [
      {
        objects: [service({ ...NODE_PORT, internalTrafficPolicy: "Local" }), slice(["pod-e"])],
        connections: [connection("pod-a", WEB, "dropped"), ...byWho(NODE, [], [at("pod-e")])],
      },
    ],
  },
  {
    name: "externalTrafficPolicy Local means nothing to cluster IPs",
    objects: [service(NODE_PORT), slice(["pod-e"])],
    connections: [
      connection("pod-a", WEB, keptBy(at("pod-e"))),
      connection("host", WEB, keptBy(at("pod-e"))),
    ],
  },
];
