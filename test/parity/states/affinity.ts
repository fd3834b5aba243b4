// sessionAffinity ClientIP: scope, key, timeout.

import {
  type Probe,
  type ServiceSpec,
  type State,
  sequence,
  service,
  slice,
  spread,
  state,
} from "../state.ts";
import { EXTERNAL, EXTERNAL_IP, NODE_PORT_SPEC, ON_NODE_1, WEB } from "./doors.ts";

const THREE = slice(["pod-a", "pod-b", "pod-c"]);

function sticky(more: ServiceSpec = {}, timeoutSeconds?: number): ServiceSpec {
  const config = { clientIP: { timeoutSeconds } };
  return {
    ...NODE_PORT_SPEC,
    sessionAffinity: "ClientIP",
    ...(timeoutSeconds === undefined ? {} : { sessionAffinityConfig: config }),
    ...more,
  };
}

function repeated(door: string, times = 8): string[] {
  return Array.from({ length: times }, () => door);
}

export const AFFINITY: readonly State[] = [
  state(
    "every client stays with its backend",
    [service(sticky()), THREE],
    (["client-1", "pod-a", "client-2", "node-1", "outside"] as const).flatMap((from) => [
      sequence(from, repeated(WEB)),
    ]),
  ),
  state(
    "and so through a node port, masqueraded",
    [service(sticky()), THREE],
    (["client-1", "pod-a", "client-2", "node-1", "outside"] as const).map((from) =>
      sequence(from, repeated(ON_NODE_1)),
    ),
  ),
  state(
    "the front doors of a ServicePort share it",
    [service(sticky({ externalIPs: [EXTERNAL_IP] })), THREE],
    (["client-1", "node-1", "outside"] as const).map((from) =>
      sequence(from, [WEB, ON_NODE_1, EXTERNAL, WEB, ON_NODE_1, EXTERNAL, WEB]),
    ),
  ),
  state(
    "different clients get different backends",
    [service(sticky()), THREE],
    spread([WEB, ON_NODE_1], ["crowd"]),
  ),
  state(
    "without affinity one client meets all",
    [service(NODE_PORT_SPEC), THREE],
    [...spread([WEB, ON_NODE_1], ["crowd"]), ...moving()],
  ),
  state(
    "it ends after its timeout",
    [service(sticky({}, 1)), THREE],
    (["client-1", "outside"] as const).map((from) =>
      sequence(from, repeated(WEB, 12), { kind: "moves", pauseMs: 1_700 }),
    ),
  ),
  state(
    "each connection renews it",
    [service(sticky({}, 3)), THREE],
    (["client-1", "outside"] as const).map((from) =>
      sequence(from, repeated(WEB, 6), { pauseMs: 1_500 }),
    ),
  ),
  {
    name: "its backend is gone",
    steps: [
      { objects: [service(sticky()), slice(["pod-a"])], probes: spread([WEB], ["client-1"]) },
      { objects: [service(sticky()), slice(["pod-c"])], probes: spread([WEB], ["client-1"]) },
      { objects: [service(sticky()), slice([])], probes: spread([WEB], ["client-1"]) },
      {
        objects: [service(sticky()), slice(["pod-a"])],
        probes: [sequence("client-1", repeated(WEB, 4))],
      },
    ],
  },
  {
    name: "it is kept when backends come",
    steps: [
      { objects: [service(sticky()), slice(["pod-a"])], probes: spread([WEB], ["client-1"]) },
      { objects: [service(sticky()), THREE], probes: [...spread([WEB], ["client-1"])] },
    ],
  },
  {
    name: "it is switched on and off",
    steps: [
      { objects: [service(NODE_PORT_SPEC), THREE], probes: moving() },
      { objects: [service(sticky()), THREE], probes: [sequence("client-1", repeated(WEB))] },
      { objects: [service(NODE_PORT_SPEC), THREE], probes: moving() },
      { objects: [service(sticky()), THREE], probes: [sequence("client-1", repeated(WEB))] },
    ],
  },
];

function moving(): Probe[] {
  return [sequence("client-1", repeated(WEB, 30), { kind: "moves" })];
}
