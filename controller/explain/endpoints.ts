// The endpoints behind a front door → which are left out of the list that this client gets, and
// why, in words. The reasons come from node/endpoint-fates.ts, which has them from what decides.

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
import { type Door, doorsOf } from "../node/doors.ts";
import { type EndpointFate, endpointFates } from "../node/endpoint-fates.ts";
import { frontendKey } from "../node/frontend-key.ts";
import { listsBehind } from "../node/frontends.ts";
import type { SliceLeftOutReason } from "../node/port-endpoints.ts";
import type { ThisNode } from "../node/this-node.ts";
import type { Frontend } from "../node/types.ts";
import type { LeftOut } from "./explanation.ts";
import type { KnownCluster } from "./known-cluster.ts";

/** What the controller knows of a front door. */
export interface KnownDoor {
  frontend: Frontend;
  service: Service;
  port: ServicePort;
  door: Door;
  endpoints: EndpointFate[];
  slices: { slice: EndpointSlice; reason: SliceLeftOutReason }[];
}

/** Undefined when the controller knows of no such front door. */
export function knownDoorAt(key: string, known: KnownCluster): KnownDoor | undefined {
  const frontend = known.frontends.get(key);
  const service = frontend && known.state.services.get(serviceOf(frontend));
  if (!frontend || !service) return undefined;
  for (const port of service.ports) {
    if (port.name !== frontend.portName || port.protocol !== frontend.protocol) continue;
    const doors = doorsOf(service, port, frontend.family, known.node);
    const door = doors.find((each) => frontendKey(each.address, each.port, port.protocol) === key);
    if (!door) continue;
    const slices = known.state.slicesOf(serviceOf(frontend));
    return {
      ...{ frontend, service, port, door },
      ...endpointFates(slices, frontend.family, port, known.node),
    };
  }
  return undefined;
}

export function serviceOf({ namespace, service: name }: Pick<Frontend, "namespace" | "service">) {
  return objectKey({ namespace, name });
}

/** The traffic policy whose list the client gets: of those from outside, or of everybody else. */
export function policyFor({ door }: KnownDoor, isFromOutside: boolean): TrafficPolicy {
  const { outside, others } = listsBehind(door);
  return isFromOutside ? outside : others;
}

/** Those that are not in the list of `policy`, in the order of the lists; then whole slices. */
export function leftOutOf(knownDoor: KnownDoor, policy: TrafficPolicy, node: ThisNode): LeftOut[] {
  const { endpoints, slices, service, door } = knownDoor;
  const ofList = endpoints.flatMap(({ endpoint, port, leftOut }): LeftOut[] => {
    const reason = leftOut[policy];
    if (!reason) return [];
    const why = WHY[reason](endpoint, node, door);
    return [{ ...whoIs(endpoint, port, service.namespace), reason, why }];
  });
  // The other family's slices are the other front doors'; here they matter where there is nothing.
  const relevant = slices.filter(({ reason }) => reason !== "other-family" || !endpoints.length);
  return [...ofList, ...relevant.flatMap((each) => ofSlice(each, knownDoor))];
}

export function whoIs({ address, podName, nodeName }: Endpoint, port: number, namespace: string) {
  return {
    place: addressAndPort(address, port),
    pod: podName === undefined ? undefined : objectKey({ namespace, name: podName }),
    node: nodeName || undefined,
  };
}

const WHY: Record<LeftOutReason, (endpoint: Endpoint, node: ThisNode, door: Door) => string> = {
  "not-ready": ({ terminating, serving }) => {
    if (!terminating) return "not ready";
    return serving ? "terminating, and others are ready" : "terminating, and serves no more";
  },
  "not-serving": ({ terminating }) =>
    terminating ? "terminating, and serves no more" : "not ready",
  "not-local": ({ nodeName }, _, { side }) => {
    const where = nodeName === "" ? " (its slice says no node)" : "";
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
  { slice, reason }: KnownDoor["slices"][number],
  { port, frontend }: KnownDoor,
): LeftOut[] {
  const name = `EndpointSlice ${objectKey(slice)}`;
  const wanted = `${port.name === "" ? "without a name" : port.name}/${port.protocol}`;
  const has = slice.ports.map((each) => `${each.name || "no name"}/${each.protocol}`).join(", ");
  const why: Record<SliceLeftOutReason, string> = {
    "other-family": `wrong family: ${name} has ${slice.addressType}, this is ${frontend.family}`,
    "headless-label": `${name} carries the label service.kubernetes.io/headless`,
    "no-such-port": `port not there: ${name} has no port ${wanted}, but ${has || "none"}`,
  };
  return slice.endpoints.map((endpoint) => {
    const { place, ...who } = whoIs(endpoint, 0, slice.namespace);
    return { place: place.replace(/:0$/, ""), ...who, reason, why: why[reason] };
  });
}
