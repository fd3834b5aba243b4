// Which endpoints may be used: conditions, hints, labels of the Service. Over cluster IPs.

import {
  endpoint,
  GONE,
  type KubernetesObject,
  type State,
  service,
  slice,
  spread,
  state,
  TERMINATING,
  UNREADY,
} from "../state.ts";
import { NODE_PORT_SPEC, ON_NODE_1, WEB } from "./doors.ts";

const CLIENTS_OF_BOTH = ["client-1", "client-2", "node-1", "node-2"] as const;
const going = (who: "pod-a" | "pod-b" | "pod-c" | "pod-d" | "pod-e") =>
  endpoint(who, { conditions: TERMINATING });
const gone = (who: "pod-a" | "pod-c") => endpoint(who, { conditions: GONE });
const unready = (who: "pod-a" | "pod-c") => endpoint(who, { conditions: UNREADY });

export const CONDITIONS: readonly State[] = [
  state(
    "a condition that is missing means ready",
    [service(), slice([endpoint("pod-a", { conditions: {} }), "pod-c"])],
    spread([WEB], CLIENTS_OF_BOTH),
  ),
  state(
    "ready beside unready",
    [service(), slice([unready("pod-a"), "pod-c"])],
    spread([WEB], CLIENTS_OF_BOTH),
  ),
  state(
    "ready beside terminating",
    [service(), slice([going("pod-a"), "pod-c"])],
    spread([WEB], CLIENTS_OF_BOTH),
  ),
  state(
    "only terminating ones, which still serve",
    [service(NODE_PORT_SPEC), slice([going("pod-a"), going("pod-d")])],
    spread([WEB, ON_NODE_1]),
  ),
  state(
    "terminating, some of which do not serve any more, and unready",
    [service(), slice([going("pod-b"), gone("pod-a"), unready("pod-c")])],
    spread([WEB], CLIENTS_OF_BOTH),
  ),
  state(
    "terminating and not serving alone",
    [service(), slice([gone("pod-a"), gone("pod-c")])],
    spread([WEB], CLIENTS_OF_BOTH),
  ),
  state(
    "serving but not ready, and not terminating",
    [service(), slice([endpoint("pod-a", { conditions: { ready: false, serving: true } })])],
    spread([WEB], CLIENTS_OF_BOTH),
  ),
  state(
    "ready although terminating, as with publishNotReadyAddresses",
    [
      service({ publishNotReadyAddresses: true }),
      slice([
        endpoint("pod-a", { conditions: { ready: true, serving: true, terminating: true } }),
        "pod-c",
      ]),
    ],
    spread([WEB], CLIENTS_OF_BOTH),
  ),
];

const zone = (who: "pod-a" | "pod-b" | "pod-c" | "pod-e", ...zones: string[]) =>
  endpoint(who, { zoneHints: zones });
const node = (who: "pod-a" | "pod-b" | "pod-c" | "pod-e", ...nodes: string[]) =>
  endpoint(who, { nodeHints: nodes });

function hinted(name: string, endpoints: Parameters<typeof slice>[0]): State {
  return state(
    name,
    [service(NODE_PORT_SPEC), slice(endpoints)],
    spread([WEB, ON_NODE_1], [...CLIENTS_OF_BOTH, "outside"]),
  );
}

export const HINTS: readonly State[] = [
  hinted("a zone for each", [
    zone("pod-a", "zone-a"),
    zone("pod-c", "zone-b"),
    zone("pod-e", "zone-c"),
  ]),
  hinted("a zone of another node's", [zone("pod-a", "zone-b"), zone("pod-c", "zone-a")]),
  hinted("several zones", [zone("pod-a", "zone-a", "zone-b"), zone("pod-c", "zone-b")]),
  hinted("one endpoint has none", [zone("pod-a", "zone-a"), zone("pod-b", "zone-b"), "pod-c"]),
  hinted("none for zone-b", [zone("pod-a", "zone-a"), zone("pod-e", "zone-c")]),
  hinted("an unready endpoint without a hint does not count", [
    zone("pod-a", "zone-a"),
    zone("pod-e", "zone-b"),
    endpoint("pod-c", { conditions: UNREADY }),
  ]),
  hinted("hints on terminating ones only", [
    endpoint("pod-a", { conditions: TERMINATING, zoneHints: ["zone-b"] }),
    endpoint("pod-c", { conditions: TERMINATING, zoneHints: ["zone-b"] }),
  ]),
  hinted("a node for each", [node("pod-a", "node-1"), node("pod-c", "node-2")]),
  hinted("no node hint for node-2", [node("pod-a", "node-1"), node("pod-b", "node-1")]),
  hinted("one endpoint has no node hint", [
    node("pod-a", "node-1"),
    node("pod-c", "node-2"),
    "pod-e",
  ]),
  hinted("nodes before zones", [
    endpoint("pod-a", { nodeHints: ["node-1"], zoneHints: ["zone-b"] }),
    endpoint("pod-c", { nodeHints: ["node-3"], zoneHints: ["zone-b"] }),
    endpoint("pod-e", { nodeHints: ["node-3"], zoneHints: ["zone-a"] }),
  ]),
  hinted("an empty list of zones is no hint", [zone("pod-a"), zone("pod-c", "zone-a")]),
];

const LABEL = "service.kubernetes.io/service-proxy-name";
const HEADLESS = "service.kubernetes.io/headless";

function labelled(label: string, value: string): KubernetesObject {
  return service(NODE_PORT_SPEC, { labels: { [label]: value } });
}

export const SKIPPED: readonly State[] = [
  state(
    "a Service for another proxy",
    [labelled(LABEL, "another"), slice(["pod-a"])],
    spread([WEB, ON_NODE_1]),
  ),
  state(
    "a Service for a proxy without a name",
    [labelled(LABEL, ""), slice(["pod-a"])],
    spread([WEB]),
  ),
  state(
    "a Service with the label headless",
    [labelled(HEADLESS, ""), slice(["pod-a"])],
    spread([WEB, ON_NODE_1]),
  ),
  state(
    "a slice with the label headless",
    [service(), slice(["pod-a"], { labels: { [HEADLESS]: "" } })],
    spread([WEB]),
  ),
  state(
    "a slice with the label service-proxy-name",
    [service(), slice(["pod-a"], { labels: { [LABEL]: "another" } })],
    spread([WEB]),
  ),
  state(
    "a headless Service",
    [service({ clusterIP: "None", clusterIPs: ["None"] }), slice(["pod-a"])],
    spread([WEB]),
  ),
  state(
    "an ExternalName",
    [service({ type: "ExternalName", externalName: "example.com" }), slice(["pod-a"])],
    spread([WEB]),
  ),
  state(
    "a slice of FQDNs",
    [
      service(),
      {
        ...slice([]),
        addressType: "FQDN",
        endpoints: [{ addresses: ["example.com"], conditions: { ready: true } }],
      },
    ],
    spread([WEB]),
  ),
];

export const HAIRPIN: readonly State[] = [
  state(
    "a Pod is its own only backend",
    [service(NODE_PORT_SPEC), slice(["pod-a"])],
    spread([WEB, ON_NODE_1], ["pod-a"]),
  ),
  state(
    "a Pod is one of its backends",
    [service(NODE_PORT_SPEC), slice(["pod-a", "pod-b", "pod-c"])],
    spread([WEB, ON_NODE_1], ["pod-a", "pod-b", "pod-c"]),
  ),
  state(
    "a node is its own backend",
    [service(NODE_PORT_SPEC), slice(["node-1"])],
    spread([WEB, ON_NODE_1], ["node-1", "pod-a", "node-2"]),
  ),
];
