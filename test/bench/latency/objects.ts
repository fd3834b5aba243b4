// Numbers → the objects that the bench writes to the API server. Pure.
//
// The cluster has NODES nodes, of which node-1 is the measured one; endpoint number N of all is on
// node 1 + N % NODES, so that every NODES-th is local.

import { NODES, podAddress, syntheticService } from "../synthetic-cluster.ts";
import type { ApiObject } from "./api.ts";

/** Of the Services that are measured; the others are in team-0, team-1, … */
export const NAMESPACE = "bench";
export const PORT = 80;
export const TARGET_PORT = 8080;
const ZONES = 3;

export interface Endpoint {
  address: string;
  node: string;
  zone: string;
  /** Zones of its hints; absent: it has none. */
  forZones?: readonly string[];
}

interface Sketch {
  name: string;
  namespace?: string;
  clusterIP: string;
  protocol?: "TCP" | "UDP";
  /** More fields of the spec. */
  spec?: object;
}

export function* namespaceObjects(services: number): Generator<ApiObject> {
  yield { kind: "Namespace", metadata: { name: NAMESPACE } };
  const teams = new Set<string>();
  for (let index = 0; index < services; index++) teams.add(syntheticService(index, 0).namespace);
  for (const name of teams) yield { kind: "Namespace", metadata: { name } };
}

/** `address` is node-1's. */
export function* nodeObjects(address: string): Generator<ApiObject & { status: object }> {
  for (let number = 1; number <= NODES; number++) {
    const own = number === 1 ? address : `198.18.0.${number}`;
    yield {
      kind: "Node",
      metadata: {
        name: `node-${number}`,
        labels: { "topology.kubernetes.io/zone": zoneOf(number) },
      } as ApiObject["metadata"],
      status: {
        addresses: [{ type: "InternalIP", address: own }],
        conditions: [{ type: "Ready", status: "True" }],
      },
    };
  }
}

/** The Services, each followed by its slice. */
export function* clusterObjects(services: number, endpointsEach: number): Generator<ApiObject> {
  for (let index = 0; index < services; index++) {
    yield serviceObject(syntheticService(index, endpointsEach));
    yield numberedSlice(index, endpointsEach, 0);
  }
}

/** The slice of a numbered Service; `revision` above 0 has another first endpoint. */
export function numberedSlice(index: number, endpointsEach: number, revision: number): ApiObject {
  const service = syntheticService(index, endpointsEach, revision);
  const endpoints = service.addresses.map((address, place) => {
    return { ...remoteEndpoint(index * endpointsEach + place), address };
  });
  return sliceObject(service, endpoints);
}

/** On any of the nodes, at an address where nothing answers. */
export function remoteEndpoint(number: number): Endpoint {
  const node = 1 + (number % NODES);
  return {
    address: podAddress(number),
    node: `node-${node}`,
    zone: zoneOf(node),
  };
}

function zoneOf(node: number): string {
  return `zone-${node % ZONES}`;
}

/** Without a selector: the bench writes the slices. */
export function serviceObject(sketch: Sketch): ApiObject & { spec: object } {
  const { name, namespace = NAMESPACE, clusterIP, protocol = "TCP", spec = {} } = sketch;
  const labels = { "app.kubernetes.io/name": name, "app.kubernetes.io/part-of": namespace };
  return {
    kind: "Service",
    metadata: { name, namespace, labels } as ApiObject["metadata"],
    spec: {
      ports: [{ name: "main", protocol, port: PORT, targetPort: TARGET_PORT }],
      clusterIP,
      ...spec,
    },
  };
}

/** Slice number `part` of a Service. */
export function sliceObject(
  { name, namespace = NAMESPACE, protocol = "TCP" }: Sketch,
  endpoints: readonly Endpoint[],
  part = 0,
): ApiObject {
  const labels = {
    "app.kubernetes.io/name": name,
    "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    "kubernetes.io/service-name": name,
  };
  const slice = {
    kind: "EndpointSlice",
    metadata: { name: `${name}-${part}`, namespace, labels },
    addressType: "IPv4",
    ports: [{ name: "main", protocol, port: TARGET_PORT }],
    endpoints: endpoints.map((endpoint) => endpointObject(name, namespace, endpoint)),
  };
  return slice;
}

function endpointObject(service: string, namespace: string, endpoint: Endpoint): object {
  const { address, node, zone, forZones } = endpoint;
  const hints = forZones && { hints: { forZones: forZones.map((name) => ({ name })) } };
  return {
    addresses: [address],
    conditions: { ready: true, serving: true, terminating: false },
    nodeName: node,
    zone,
    targetRef: { kind: "Pod", namespace, name: `${service}-${address.replaceAll(".", "-")}` },
    ...hints,
  };
}
