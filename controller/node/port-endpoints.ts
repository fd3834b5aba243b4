// The EndpointSlices of a Service → the endpoints of one of its ports. A Service may have many
// slices, and an endpoint may be in several of them while it moves from one to another.

import { compareAddresses } from "../model/ip.ts";
import type {
  Endpoint,
  EndpointPort,
  EndpointSlice,
  IPFamily,
  ServicePort,
} from "../model/types.ts";
import type { Candidate } from "./categorize-endpoints.ts";

/** An endpoint of one ServicePort. */
export interface PortEndpoint extends Candidate {
  endpoint: Endpoint;
  /** The number behind the port's name in this endpoint's slice; it may differ between slices. */
  port: number;
}

/** Why none of a slice's endpoints belongs to the ServicePort. */
export type SliceLeftOutReason = "other-family" | "headless-label" | "no-such-port";

/** Called for the slices that do not count. */
type SliceObserver = (reason: SliceLeftOutReason, slice: EndpointSlice) => void;

/**
 * Returns them sorted by (address bytes, port), each once. A slice's port belongs to the Service's
 * port of the same name and protocol, as in kube-proxy's ServicePortName; numbers do not matter.
 */
export function portEndpoints(
  slices: readonly EndpointSlice[],
  family: IPFamily,
  servicePort: ServicePort,
  nodeName: string,
  leftOut?: SliceObserver,
): PortEndpoint[] {
  const all: PortEndpoint[] = [];
  for (const slice of slices) {
    const reason = whyLeftOut(slice, family, servicePort);
    if (reason) leftOut?.(reason, slice);
    for (const { port } of reason ? [] : portsOf(slice, servicePort)) {
      for (const endpoint of slice.endpoints) {
        const local = endpoint.nodeName !== "" && endpoint.nodeName === nodeName;
        all.push({ endpoint, port, local });
      }
    }
  }
  return merged(all.sort(compare));
}

function whyLeftOut(
  slice: EndpointSlice,
  family: IPFamily,
  servicePort: ServicePort,
): SliceLeftOutReason | undefined {
  if (slice.addressType !== family) return "other-family";
  if (slice.headlessLabel) return "headless-label";
  return portsOf(slice, servicePort).length === 0 ? "no-such-port" : undefined;
}

function portsOf(slice: EndpointSlice, servicePort: ServicePort): EndpointPort[] {
  return slice.ports.filter(
    ({ name, protocol }) => name === servicePort.name && protocol === servicePort.protocol,
  );
}

function compare(a: PortEndpoint, b: PortEndpoint): number {
  return compareAddresses(a.endpoint.address, b.endpoint.address) || a.port - b.port;
}

/** Keeps the best of equal neighbours; of equally good ones the first. */
function merged(sorted: PortEndpoint[]): PortEndpoint[] {
  if (!sorted.some((each, index) => isSame(sorted[index - 1], each))) return sorted;
  const kept: PortEndpoint[] = [];
  for (const each of sorted) {
    const last = kept.at(-1);
    if (!last || !isSame(last, each)) kept.push(each);
    else if (rank(each) > rank(last)) kept[kept.length - 1] = each;
  }
  return kept;
}

function isSame(a: PortEndpoint | undefined, b: PortEndpoint): boolean {
  return a !== undefined && a.port === b.port && a.endpoint.address === b.endpoint.address;
}

/**
 * Ranks one that does not terminate before one that does: a Pod may already have the address of
 * another that is about to go. kube-proxy then takes any (endpointslicecache.go addEndpoints); this
 * takes the more useful one, so that the order of slices does not decide.
 */
function rank({ endpoint, local }: PortEndpoint): number {
  const { ready, serving, terminating } = endpoint;
  return (terminating ? 0 : 8) + (ready ? 4 : 0) + (serving ? 2 : 0) + (local ? 1 : 0);
}
