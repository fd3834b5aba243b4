// Cluster IPs over TCP and IPv4: who answers, who is refused, what belongs to nobody.

import { LISTENING_PORTS } from "../lab.ts";
import {
  door,
  endpoint,
  GONE,
  type KubernetesObject,
  type Probe,
  type State,
  service,
  slice,
  spread,
  state,
  tagged,
  UNREADY,
} from "../state.ts";
import { API, UNALLOCATED, WEB } from "./doors.ts";

const IP = "10.96.0.10";

function pieces(count: number): KubernetesObject[] {
  const all = ["pod-a", "pod-b", "pod-c", "pod-d", "pod-e"] as const;
  return all.slice(0, count).map((pod) => slice([pod], { name: `web-${pod}` }));
}

/** Many of both kinds at the same time, which may not get in each other's way. */
function besideDirect(): Probe[] {
  const doors = Array.from({ length: 20 }, () => [WEB, "10.1.1.11:8080"]).flat();
  return tagged(["ports"], spread(doors, ["client-1", "client-2"]));
}

export const CLUSTER_IP: readonly State[] = [
  state("connections to the Pod itself", [service(), slice(["pod-a"])], besideDirect()),
  state("one backend on node 1", [service(), slice(["pod-a"])], spread([WEB])),
  state("one backend on node 2", [service(), slice(["pod-c"])], spread([WEB])),
  state("one backend on a node without a proxy", [service(), slice(["pod-e"])], spread([WEB])),
  state(
    "backends on three nodes",
    [service(), slice(["pod-a", "pod-b", "pod-c", "pod-e"])],
    spread([WEB]),
  ),
  state("backends in five slices", [service(), ...pieces(5)], spread([WEB])),
  state(
    "an endpoint in two slices counts once",
    [service(), slice(["pod-a", "pod-c"]), slice(["pod-a"], { name: "web-again" })],
    spread([WEB]),
  ),
  state("a backend in the host network", [service(), slice(["node-1", "node-2"])], spread([WEB])),
  state("no slice at all", [service()], spread([WEB])),
  state("an empty slice", [service(), slice([])], spread([WEB])),
  state(
    "no endpoint is ready",
    [
      service(),
      slice([endpoint("pod-a", { conditions: UNREADY }), endpoint("pod-c", { conditions: GONE })]),
    ],
    spread([WEB]),
  ),
  state("a slice without ports", [service(), { ...slice(["pod-a"]), ports: [] }], spread([WEB])),
  state(
    "ports that the Service does not have, some of which the host listens on",
    [service(), slice(["pod-a"])],
    spread([door(IP, 81), ...LISTENING_PORTS.map((port) => door(IP, port))]),
  ),
  state(
    "ports that the Service does not have, while it has no endpoints",
    [service()],
    spread([door(IP, 81), door(IP, 8080)]),
  ),
  state(
    "addresses of the Service CIDR that no Service has",
    [service(), slice(["pod-a"])],
    spread([UNALLOCATED, "10.96.0.99:8080", "10.96.200.1:443"]),
  ),
  state(
    "many ports, with other target ports",
    [
      service({
        ports: [
          { name: "http", port: 80, targetPort: 8080 },
          { name: "admin", port: 8081, targetPort: 9090 },
          { name: "metrics", port: 9090, targetPort: 8081 },
        ],
      }),
      slice(["pod-a", "pod-c"], {
        ports: [
          { name: "http", port: 8080 },
          { name: "admin", port: 9090 },
          { name: "metrics", port: 8081 },
        ],
      }),
    ],
    spread([WEB, door(IP, 8081), door(IP, 9090), door(IP, 8080)]),
  ),
  state(
    "a named target port that is another number in each Pod",
    [
      service({ ports: [{ name: "http", port: 80, targetPort: "http" }] }),
      slice(["pod-a"], { name: "web-1", ports: [{ name: "http", port: 8080 }] }),
      slice(["pod-c"], { name: "web-2", ports: [{ name: "http", port: 9090 }] }),
    ],
    spread([WEB]),
  ),
  state(
    "a slice whose port name the Service does not have",
    [service(), slice(["pod-a"], { ports: [{ name: "other", port: 8080 }] })],
    spread([WEB]),
  ),
  state(
    "one of two ports has endpoints",
    [
      service({
        ports: [
          { name: "http", port: 80 },
          { name: "admin", port: 81 },
        ],
      }),
      slice(["pod-a"], { ports: [{ name: "http", port: 8080 }] }),
    ],
    spread([WEB, door(IP, 81)]),
  ),
  state(
    "two Services on the same backends",
    [
      service(),
      slice(["pod-a", "pod-c"]),
      service({ clusterIPs: ["10.96.0.11"] }, { name: "api" }),
      slice(["pod-a", "pod-d"], { service: "api", ports: [{ port: 9090 }] }),
    ],
    spread([WEB, API]),
  ),
  state(
    "a backend that refuses, next to one that answers",
    [service(), slice(["pod-a"]), slice(["pod-c"], { name: "web-2", ports: [{ port: 7 }] })],
    spread([WEB], ["client-1", "pod-a", "node-1", "outside"]),
  ),
  state(
    "a backend that refuses",
    [service(), slice(["pod-a", "pod-c"], { ports: [{ port: 7 }] })],
    spread([WEB], ["client-1", "pod-a", "node-1", "outside"]),
  ),
];
