// What is asked again after the cluster changed; connections that live through it.

import {
  endpoint,
  flow,
  type KubernetesObject,
  type Probe,
  type State,
  service,
  slice,
  spread,
  TERMINATING,
} from "../state.ts";
import { NODE_PORT, NODE_PORT_SPEC, ON_NODE_1, WEB } from "./doors.ts";

const DOORS = [WEB, ON_NODE_1];

/** New connections, and those that are there since the first step. */
function both(): Probe[] {
  const clients = ["client-1", "pod-a", "node-1", "outside"] as const;
  const kept = (["client-1", "node-1", "outside"] as const).flatMap((from) => [
    flow("to the cluster IP", from, WEB, "TCP"),
    flow("to the node port", from, ON_NODE_1, "TCP"),
  ]);
  return [...spread(DOORS, clients), ...kept];
}

function changes(name: string, ...each: KubernetesObject[][]): State {
  return { name, steps: each.map((objects) => ({ objects, probes: both() })) };
}

const EXTERNAL_NAME = service({ type: "ExternalName", externalName: "example.com" });
const WEB_SERVICE = service(NODE_PORT_SPEC);

export const CHANGES: readonly State[] = [
  changes(
    "the backend is replaced",
    [WEB_SERVICE, slice(["pod-a"])],
    [WEB_SERVICE, slice(["pod-c"])],
  ),
  changes(
    "the backend terminates, goes, comes back",
    [WEB_SERVICE, slice(["pod-a"])],
    [WEB_SERVICE, slice([endpoint("pod-a", { conditions: TERMINATING }), "pod-c"])],
    [WEB_SERVICE, slice(["pod-c"])],
    [WEB_SERVICE, slice([])],
    [WEB_SERVICE, slice(["pod-a"])],
  ),
  {
    name: "from none to five",
    steps: [[], ["pod-a"], ["pod-a", "pod-b", "pod-c", "pod-d", "pod-e"], ["pod-d"], []].map(
      (pods) => ({
        objects: [WEB_SERVICE, slice(pods as Parameters<typeof slice>[0])],
        probes: spread(DOORS),
      }),
    ),
  },
  changes(
    "the Service goes and comes again",
    [WEB_SERVICE, slice(["pod-a"])],
    [slice(["pod-a"])],
    [WEB_SERVICE, slice(["pod-a"])],
  ),
  changes(
    "NodePort to ClusterIP and back",
    [WEB_SERVICE, slice(["pod-a"])],
    [service(), slice(["pod-a"])],
    [WEB_SERVICE, slice(["pod-a"])],
  ),
  changes(
    "another node port",
    [WEB_SERVICE, slice(["pod-a"])],
    [
      service({ type: "NodePort", ports: [{ port: 80, nodePort: NODE_PORT + 1 }] }),
      slice(["pod-a"]),
    ],
  ),
  {
    name: "ExternalName to ClusterIP to NodePort",
    steps: [
      { objects: [EXTERNAL_NAME, slice(["pod-a"])], probes: spread(DOORS) },
      { objects: [service({ type: "ClusterIP" }), slice(["pod-a"])], probes: spread(DOORS) },
      { objects: [WEB_SERVICE, slice(["pod-a"])], probes: spread(DOORS) },
    ],
  },
  {
    name: "ports come and go",
    steps: [["http"], ["http", "admin"], ["admin"]].map((names) => ({
      objects: [
        service({
          ports: names.map((name) => ({ name, port: name === "http" ? 80 : 81 })),
        }),
        slice(["pod-a"], {
          ports: [
            { name: "http", port: 8080 },
            { name: "admin", port: 9090 },
          ],
        }),
      ],
      probes: spread([WEB, "10.96.0.10:81"]),
    })),
  },
  {
    name: "the policies change",
    steps: [
      {},
      { internalTrafficPolicy: "Local" },
      { externalTrafficPolicy: "Local" },
      { internalTrafficPolicy: "Local", externalTrafficPolicy: "Local" },
      {},
    ].map((policies) => ({
      objects: [service({ ...NODE_PORT_SPEC, ...policies }), slice(["pod-c"])],
      probes: spread(DOORS),
    })),
  },
  {
    name: "the label service-proxy-name comes and goes",
    steps: [{}, { "service.kubernetes.io/service-proxy-name": "another" }, {}].map((labels) => ({
      objects: [service(NODE_PORT_SPEC, { labels }), slice(["pod-a"])],
      probes: spread(DOORS),
    })),
  },
];
