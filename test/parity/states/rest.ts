// Health check node ports; SCTP beside what is carried.

import {
  endpoint,
  ingress,
  type KubernetesObject,
  type Probe,
  type ServiceSpec,
  type State,
  service,
  slice,
  spread,
  state,
  TERMINATING,
  UNREADY,
} from "../state.ts";
import { LB_IP, NODE_PORT, NODE_PORT_SPEC, ON_NODE_1, WEB } from "./doors.ts";

const HEALTH_PORT = 31_000;
const CHECKED: ServiceSpec = {
  ...NODE_PORT_SPEC,
  type: "LoadBalancer",
  externalTrafficPolicy: "Local",
  healthCheckNodePort: HEALTH_PORT,
};

/** On every address that somebody might ask. */
function asked(): Probe[] {
  const addresses = ["192.0.2.1", "192.0.2.101", "192.0.2.2"];
  return (["outside", "node-1", "client-1"] as const).flatMap((from) =>
    addresses.map((address): Probe => {
      return { kind: "health", from, to: `${address}:${HEALTH_PORT}`, protocol: "TCP" };
    }),
  );
}

function healthOf(name: string, endpoints: KubernetesObject): State {
  const checked = service(CHECKED, { status: ingress(LB_IP) });
  return state(name, [checked, endpoints], asked());
}

export const HEALTH: readonly State[] = [
  healthOf("two ready on node 1", slice(["pod-a", "pod-b"])),
  healthOf("ready on both nodes", slice(["pod-a", "pod-c"])),
  healthOf("none", slice([])),
  healthOf("terminating", slice([endpoint("pod-a", { conditions: TERMINATING })])),
  healthOf("unready", slice([endpoint("pod-a", { conditions: UNREADY }), "pod-b"])),
];

export const SCTP: readonly State[] = [
  state(
    "an SCTP port beside a TCP port of the same number",
    [
      service({
        type: "NodePort",
        ports: [
          { name: "web", port: 80, protocol: "TCP", nodePort: NODE_PORT },
          { name: "signals", port: 80, protocol: "SCTP", nodePort: NODE_PORT },
        ],
      }),
      slice(["pod-a"], {
        ports: [
          { name: "web", port: 8080 },
          { name: "signals", port: 8080, protocol: "SCTP" },
        ],
      }),
    ],
    spread([WEB, ON_NODE_1]),
  ),
  state(
    "a Service with an SCTP port alone",
    [
      service({ ports: [{ port: 80, protocol: "SCTP" }] }),
      slice(["pod-a"], { ports: [{ port: 8080, protocol: "SCTP" }] }),
    ],
    spread([WEB]),
  ),
];
