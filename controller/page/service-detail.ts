// One Service, its objects and its share of the node view → what the live page shows of it. Pure.

import { addressAndPort } from "../model/ip.ts";
import type { Endpoint, EndpointSlice, Service } from "../model/types.ts";
import { settingsText } from "../node/settings-text.ts";
import type { Backend, Frontend } from "../node/types.ts";
import type { Ejection } from "../wire/ejected.ts";
import { ejectedOf, reasonText } from "../wire/ejection-list.ts";
import type { EndpointDetail, FrontendDetail, ServiceDetail } from "./page-api.ts";
import { backendsOf, type IndexedService } from "./service-index.ts";

const MOST_ENDPOINTS = 200;

interface ServiceObjects {
  /** Undefined when it was removed just now. */
  service: Service | undefined;
  slices: readonly EndpointSlice[];
  /** What the plugin has ejected, of whatever Service. */
  ejections: readonly Ejection[];
}

type Described = Omit<ServiceDetail, "traffic" | "problems" | "changes">;

/**
 * Returns what the page shows of a Service. At most MOST_ENDPOINTS endpoints are listed;
 * `endpointCount` counts all, and a frontend's backends are indexes into that list.
 */
export function describeService(indexed: IndexedService, objects: ServiceObjects): Described {
  const ejected = ejectedPlaces(indexed, objects.ejections);
  const all = endpointsOf(indexed, objects.slices).map((each) => {
    return { ...each, fails: ejected.get(each.endpoint) ?? "" };
  });
  const endpoints = all.slice(0, MOST_ENDPOINTS);
  const places = new Map(endpoints.map(({ endpoint }, index) => [endpoint, index]));
  return {
    namespace: indexed.namespace,
    name: indexed.name,
    health: indexed.health,
    settings: objects.service ? settingsOf(objects.service, indexed.frontends[0]) : [],
    doors: indexed.frontends.map((frontend) => frontendDetail(frontend, places)),
    endpoints,
    endpointCount: all.length,
  };
}

function frontendDetail(frontend: Frontend, places: ReadonlyMap<string, number>): FrontendDetail {
  const backends = new Set(backendsOf(frontend).map(textOf));
  return {
    door: frontend.key,
    kind: frontend.kind,
    portName: frontend.portName,
    verdict: frontend.verdict,
    backends: [...backends].flatMap((each) => places.get(each) ?? []),
    backendCount: backends.size,
    allowedSources: [...frontend.allowedSources],
  };
}

function textOf({ address, port }: Pick<Backend, "address" | "port">): string {
  return addressAndPort(address, port);
}

/** Returns how those fail that new connections of all clients leave alone, by place. */
function ejectedPlaces(
  { frontends }: IndexedService,
  ejections: readonly Ejection[],
): Map<string, string> {
  const places = frontends.flatMap((frontend) => {
    const { protocol, settings } = frontend;
    if (protocol !== "TCP") return [];
    return [...ejectedOf({ backends: backendsOf(frontend), settings }, ejections)];
  });
  return new Map(places.map(([place, ejected]) => [place, reasonText(ejected)]));
}

/**
 * Returns those in use first, then by address and port as text. One that is missing from the slices
 * is still in use until the next sync.
 */
function endpointsOf(indexed: IndexedService, slices: readonly EndpointSlice[]): Listed[] {
  const found = new Map<string, Listed>();
  for (const slice of slices) {
    for (const { port } of slice.ports) {
      for (const endpoint of slice.endpoints) {
        const detail = endpointDetail(endpoint, port, indexed.backends);
        found.set(detail.endpoint, detail);
      }
    }
  }
  for (const [endpoint, local] of indexed.backends) {
    if (!found.has(endpoint)) found.set(endpoint, { ...UNKNOWN, endpoint, local, used: true });
  }
  return [...found.values()].sort(
    (a, b) => Number(b.used) - Number(a.used) || (a.endpoint < b.endpoint ? -1 : 1),
  );
}

type Listed = Omit<EndpointDetail, "fails">;

const UNKNOWN = { pod: "", node: "", zone: "", state: "" } as const;

function endpointDetail(
  endpoint: Endpoint,
  port: number,
  backends: IndexedService["backends"],
): Listed {
  const { address, podName = "", nodeName, zone, ready, terminating } = endpoint;
  const text = textOf({ address, port });
  const unready = ready ? "" : "not ready";
  return {
    endpoint: text,
    pod: podName,
    node: nodeName,
    zone,
    local: backends.get(text) ?? false,
    used: backends.has(text),
    state: terminating ? "terminating" : unready,
  };
}

/** Returns what differs from the defaults of Services, and its type and selector. */
function settingsOf(service: Service, frontend: Frontend | undefined): ServiceDetail["settings"] {
  const { type, selector, affinityTimeoutSeconds, healthCheckNodePort } = service;
  const labels = Object.entries(selector ?? {}).map((pair) => pair.join("="));
  const settings = [
    ["Type", type],
    ["Selector", labels.join(", ")],
    ["Session affinity", affinityTimeoutSeconds > 0 ? `ClientIP, ${affinityTimeoutSeconds} s` : ""],
    ["Connections", frontend ? settingsText(frontend.settings).join(", ") : ""],
    ["Internal policy", service.internalTrafficPolicy === "Local" ? "Local" : ""],
    ["External policy", service.externalTrafficPolicy === "Local" ? "Local" : ""],
    ["Health check port", healthCheckNodePort > 0 ? String(healthCheckNodePort) : ""],
  ];
  return settings.flatMap(([name = "", value = ""]) => (value === "" ? [] : [{ name, value }]));
}
