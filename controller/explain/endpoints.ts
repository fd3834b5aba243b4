// The endpoints behind a frontend → which of them this client's list leaves out, and why, in words.
// The reasons come from node/endpoint-fates.ts, which takes them from the code that decides.

import { objectKey } from "../model/cluster-state.ts";
import { addressAndPort } from "../model/ip.ts";
import type {
  Endpoint,
  EndpointSlice,
  Service,
  ServicePort,
  TrafficPolicy,
} from "../model/types.ts";
import type { LeftOutReason } from "../node/categorize-endpoints.ts";
import { type EndpointFate, endpointFates } from "../node/endpoint-fates.ts";
import { frontendKey } from "../node/frontend-key.ts";
import { type FrontendPlace, frontendPlacesOf } from "../node/frontend-places.ts";
import { listsBehind } from "../node/frontends.ts";
import type { SliceLeftOutReason } from "../node/port-endpoints.ts";
import type { ThisNode } from "../node/this-node.ts";
import type { Frontend } from "../node/types.ts";
import type { LeftOut } from "./explanation.ts";
import type { KnownCluster } from "./known-cluster.ts";

/** What the controller knows about a frontend. */
export interface KnownFrontend {
  frontend: Frontend;
  service: Service;
  port: ServicePort;
  place: FrontendPlace;
  endpoints: EndpointFate[];
  slices: { slice: EndpointSlice; reason: SliceLeftOutReason }[];
  /** Of the function that picks; undefined: none does. */
  functionVersion?: string | undefined;
}

/** Returns undefined when the controller knows no such frontend. */
export function knownFrontendAt(key: string, known: KnownCluster): KnownFrontend | undefined {
  const frontend = known.frontends.get(key);
  const service = frontend && known.state.services.get(serviceOf(frontend));
  if (!frontend || !service) return undefined;
  for (const port of service.ports) {
    if (port.name !== frontend.portName || port.protocol !== frontend.protocol) continue;
    const places = frontendPlacesOf(service, port, frontend.family, known.node);
    const place = places.find(
      (each) => frontendKey(each.address, each.port, port.protocol) === key,
    );
    if (!place) continue;
    const slices = known.state.slicesOf(serviceOf(frontend));
    const { pick } = frontend.settings;
    return {
      functionVersion: pick && known.functionVersion?.(pick),
      frontend,
      service,
      port,
      place,
      ...endpointFates(slices, frontend.family, port, known.node),
    };
  }
  return undefined;
}

/** Returns the key of the Service, "namespace/name", that a frontend belongs to. */
export function serviceOf({ namespace, service: name }: Pick<Frontend, "namespace" | "service">) {
  return objectKey({ namespace, name });
}

/** Returns the policy whose list the client gets: for outside clients, or for all others. */
export function policyFor({ place }: KnownFrontend, isFromOutside: boolean): TrafficPolicy {
  const { outside, others } = listsBehind(place);
  return isFromOutside ? outside : others;
}

/**
 * Returns those missing from the list of `policy`, in the order of the lists; then whole slices.
 */
export function leftOutOf(
  knownFrontend: KnownFrontend,
  policy: TrafficPolicy,
  node: ThisNode,
): LeftOut[] {
  const { endpoints, slices, service, place } = knownFrontend;
  const ofList = endpoints.flatMap(({ endpoint, port, leftOut }): LeftOut[] => {
    const reason = leftOut[policy];
    if (!reason) return [];
    const why = WHY[reason](endpoint, node, place);
    return [{ ...whoIs(endpoint, port, service.namespace), reason, why }];
  });
  // The other family's slices belong to other frontends; they matter here only without backends.
  const relevant = slices.filter(({ reason }) => reason !== "other-family" || !endpoints.length);
  return [...ofList, ...relevant.flatMap((each) => ofSlice(each, knownFrontend))];
}

/**
 * Returns how an explanation names an endpoint: "address:port", its Pod as "namespace/name" and its
 * node; undefined where its slice has none.
 */
export function whoIs({ address, podName, nodeName }: Endpoint, port: number, namespace: string) {
  return {
    place: addressAndPort(address, port),
    pod: podName === undefined ? undefined : objectKey({ namespace, name: podName }),
    node: nodeName || undefined,
  };
}

const WHY: Record<
  LeftOutReason,
  (endpoint: Endpoint, node: ThisNode, place: FrontendPlace) => string
> = {
  "not-ready": ({ terminating, serving }) => {
    if (!terminating) return "not ready";
    return serving ? "terminating, while others are ready" : "terminating, and serves no more";
  },
  "not-serving": ({ terminating }) =>
    terminating ? "terminating, and serves no more" : "not ready",
  "not-local": ({ nodeName }, _, { side }) => {
    const where = nodeName === "" ? " (its slice names no node)" : "";
    const field = side === "internal" ? "internalTrafficPolicy" : "externalTrafficPolicy";
    return `not local${where}, and ${field} is Local`;
  },
  "node-hints": ({ nodeHints }) => `hinted for ${nodeHints.join(", ")}, and others for this node`,
  "zone-hints": ({ zoneHints, zone }, node) => {
    const where = zone === "" ? "" : `in zone ${zone}, `;
    return `other zone: ${where}hinted for ${zoneHints.join(", ")}; others are for ${node.zone}`;
  },
};

function ofSlice(
  { slice, reason }: KnownFrontend["slices"][number],
  { port, frontend }: KnownFrontend,
): LeftOut[] {
  const name = `EndpointSlice ${objectKey(slice)}`;
  const wanted = `${port.name === "" ? "without a name" : port.name}/${port.protocol}`;
  const has = slice.ports.map((each) => `${each.name || "no name"}/${each.protocol}`).join(", ");
  const why: Record<SliceLeftOutReason, string> = {
    "other-family": `wrong family: ${name} has ${slice.addressType}, this is ${frontend.family}`,
    "headless-label": `${name} has the label service.kubernetes.io/headless`,
    "no-such-port": `port missing: ${name} has no port ${wanted}, but ${has || "none"}`,
  };
  return slice.endpoints.map((endpoint) => {
    const { place, ...who } = whoIs(endpoint, 0, slice.namespace);
    return { place: place.replace(/:0$/, ""), ...who, reason, why: why[reason] };
  });
}
