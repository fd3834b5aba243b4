// Services with a selector: their slices come from the Pods, by the real endpoint slice controller.

import {
  type KubernetesObject,
  pod,
  type ServiceSpec,
  type State,
  service,
  spread,
  state,
} from "../state.ts";
import { NODE_PORT_SPEC, ON_NODE_1, WEB, WEB6 } from "./doors.ts";

const SELECTING: ServiceSpec = { ...NODE_PORT_SPEC, selector: { app: "web" } };
const HEADLESS = { "service.kubernetes.io/headless": "" };

function labelled(labels: Record<string, string>): KubernetesObject[] {
  return [service(SELECTING, { labels }), pod("pod-a"), pod("pod-c")];
}

export const CONTROLLER: readonly State[] = [
  state(
    "Pods on both nodes",
    [service(SELECTING), pod("pod-a"), pod("pod-b"), pod("pod-c")],
    spread([WEB, ON_NODE_1]),
  ),
  state(
    "a named target port",
    [
      service({
        selector: { app: "web" },
        ports: [
          { name: "http", port: 80, targetPort: "http" },
          { name: "admin", port: 81, targetPort: "admin" },
        ],
      }),
      pod("pod-a"),
      pod("pod-c"),
    ],
    spread([WEB, "10.96.0.10:81"]),
  ),
  state(
    "a selector that fits no Pod",
    [service({ ...SELECTING, selector: { app: "wbe" } }), pod("pod-a")],
    spread([WEB, ON_NODE_1]),
  ),
  state(
    "an unready Pod",
    [service(SELECTING), pod("pod-a", false), pod("pod-c")],
    spread([WEB, ON_NODE_1]),
  ),
  state(
    "an unready Pod, published all the same",
    [service({ ...SELECTING, publishNotReadyAddresses: true }), pod("pod-a", false)],
    spread([WEB, ON_NODE_1]),
  ),
  state(
    "both families",
    [
      service({
        selector: { app: "web" },
        clusterIPs: ["10.96.0.10", "fd00:96::10"],
        ipFamilies: ["IPv4", "IPv6"],
        ipFamilyPolicy: "RequireDualStack",
      }),
      pod("pod-a"),
      pod("pod-c"),
    ],
    spread([WEB, WEB6]),
  ),
  {
    name: "Pods come and go",
    steps: [0, 1, 2, 1, 0].map((count) => ({
      objects: [
        service(SELECTING),
        ...(["pod-a", "pod-c"] as const).slice(0, count).map((name) => pod(name)),
      ],
      probes: spread([WEB, ON_NODE_1]),
    })),
  },
  {
    name: "the label headless on a Service comes and goes",
    steps: [{}, HEADLESS, {}].map((labels) => ({
      objects: labelled(labels),
      probes: spread([WEB, ON_NODE_1]),
    })),
  },
];
