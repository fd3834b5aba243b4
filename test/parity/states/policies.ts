// internalTrafficPolicy and externalTrafficPolicy Local: refused, dropped, short-circuits, sources.

import {
  endpoint,
  GONE,
  ingress,
  type KubernetesObject,
  type ServiceSpec,
  type State,
  service,
  slice,
  spread,
  state,
  TERMINATING,
  UNREADY,
} from "../state.ts";
import {
  EXTERNAL,
  EXTERNAL_IP,
  LB,
  LB_IP,
  NODE_PORT_SPEC,
  ON_NODE_1,
  ON_NODE_2,
  WEB,
} from "./doors.ts";

const WHERE: readonly [string, KubernetesObject][] = [
  ["backends on node 1", slice(["pod-a", "pod-b"])],
  ["backends on node 2", slice(["pod-c"])],
  ["backends on both nodes", slice(["pod-a", "pod-c"])],
  ["a backend on a node without a proxy", slice(["pod-e"])],
  ["no endpoints", slice([])],
  ["an unready backend on node 1", slice([endpoint("pod-a", { conditions: UNREADY })])],
  [
    "terminating on node 1, ready on node 2",
    slice([endpoint("pod-a", { conditions: TERMINATING }), "pod-c"]),
  ],
  [
    "ready and terminating on node 1",
    slice([endpoint("pod-a", { conditions: TERMINATING }), "pod-b"]),
  ],
  [
    "terminating on node 2, gone on node 1",
    slice([
      endpoint("pod-c", { conditions: TERMINATING }),
      endpoint("pod-a", { conditions: GONE }),
    ]),
  ],
  [
    "hints for the other zone",
    slice([
      endpoint("pod-a", { zoneHints: ["zone-b"] }),
      endpoint("pod-c", { zoneHints: ["zone-a"] }),
    ]),
  ],
];

const INTERNAL: ServiceSpec = { ...NODE_PORT_SPEC, internalTrafficPolicy: "Local" };
const EXTERNAL_LOCAL: ServiceSpec = { ...NODE_PORT_SPEC, externalTrafficPolicy: "Local" };
const BOTH: ServiceSpec = { ...EXTERNAL_LOCAL, internalTrafficPolicy: "Local" };

export const INTERNAL_POLICY: readonly State[] = WHERE.map(([where, endpoints]) =>
  state(`Local: ${where}`, [service(INTERNAL), endpoints], spread([WEB, ON_NODE_1])),
);

export const EXTERNAL_POLICY: readonly State[] = [
  ...WHERE.map(([where, endpoints]) =>
    state(
      `node ports, Local: ${where}`,
      [service(EXTERNAL_LOCAL), endpoints],
      spread(
        [ON_NODE_1, ON_NODE_2, WEB],
        ["client-1", "pod-a", "client-2", "pod-e", "node-1", "node-2", "node-3", "outside"],
      ),
    ),
  ),
  ...WHERE.slice(0, 4).map(([where, endpoints]) =>
    state(`both Local: ${where}`, [service(BOTH), endpoints], spread([ON_NODE_1, WEB])),
  ),
  ...WHERE.slice(0, 5).map(([where, endpoints]) =>
    state(
      `load balancer and external IP, Local: ${where}`,
      [
        service(
          { ...EXTERNAL_LOCAL, type: "LoadBalancer", externalIPs: [EXTERNAL_IP] },
          { status: ingress(LB_IP) },
        ),
        endpoints,
      ],
      spread([LB, EXTERNAL]),
    ),
  ),
];
