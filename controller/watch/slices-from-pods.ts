// A Service with a selector and the Pods of its namespace → the EndpointSlices that the endpoint
// slice controller would make (k8s.io/endpointslice utils.go, reconciler.go). No I/O; the same Pods
// give the same slices in any order.

import { compareAddresses, familyOf } from "../model/ip.ts";
import { listOf, recordOf, textOf } from "../model/json.ts";
import type {
  Endpoint,
  EndpointPort,
  EndpointSlice,
  IPFamily,
  Service,
  ServicePort,
} from "../model/types.ts";
import type { Pod } from "./manifests-pod.ts";

/** The default of the controller's --max-endpoints-per-slice. */
const MOST_ENDPOINTS = 100;

export interface SelectingService {
  service: Service;
  /** Returns the target port of a port: a number, or the name of a container's port. */
  targetPortOf: (port: ServicePort) => number | string;
}

/** Reads the target ports from the object that `service` was made from. */
export function selectingServiceFrom(service: Service, json: unknown): SelectingService {
  const records = listOf(recordOf(recordOf(json).spec).ports).map(recordOf);
  const targetPortOf = (port: ServicePort): number | string => {
    const own = records.find(
      (record) => record.port === port.port && (record.protocol ?? "TCP") === port.protocol,
    );
    const target = own?.targetPort;
    if (typeof target === "number" && target !== 0) return target;
    return textOf(target) || port.port;
  };
  return { service, targetPortOf };
}

/**
 * `pods` may hold Pods that the Service does not select, of any namespace. `zoneOfNode` returns
 * undefined for a node without a zone. A Service without a selector gets no slices: others make
 * them.
 */
export function slicesFromPods(
  selecting: SelectingService,
  pods: readonly Pod[],
  zoneOfNode: (nodeName: string) => string | undefined,
): EndpointSlice[] {
  const { service } = selecting;
  const selected = pods.filter((pod) => selects(service, pod) && !pod.terminal);
  const slices: EndpointSlice[] = [];
  for (const family of familiesOf(service)) {
    for (const { ports, endpoints } of groups(selecting, selected, family, zoneOfNode)) {
      for (let first = 0; first < endpoints.length; first += MOST_ENDPOINTS) {
        const chunk = endpoints.slice(first, first + MOST_ENDPOINTS);
        slices.push(sliceOf(service, family, slices.length + 1, ports, chunk));
      }
    }
  }
  return slices;
}

/** An empty selector selects nothing, like an absent one. */
function selects(service: Service, pod: Pod): boolean {
  const wanted = Object.entries(service.selector ?? {});
  if (wanted.length === 0 || pod.namespace !== service.namespace) return false;
  return wanted.every(
    ([key, value]) => Object.hasOwn(pod.labels, key) && pod.labels[key] === value,
  );
}

/** Returns those of its cluster IPs; both for a headless Service, as if ipFamilies were not set. */
function familiesOf(service: Service): IPFamily[] {
  const families = new Set<IPFamily>(service.clusterIPs.map(familyOf));
  return families.size > 0 ? [...families] : ["IPv4", "IPv6"];
}

interface Group {
  ports: EndpointPort[];
  endpoints: Endpoint[];
}

/** Pods whose ports have the same numbers share slices. */
function groups(
  { service, targetPortOf }: SelectingService,
  pods: readonly Pod[],
  family: IPFamily,
  zoneOfNode: (nodeName: string) => string | undefined,
): Group[] {
  const byPorts = new Map<string, Group>();
  for (const pod of pods) {
    const address = pod.podIPs.find((podIP) => familyOf(podIP) === family);
    if (address === undefined) continue;
    const ports = service.ports.flatMap((port) => resolved(port, targetPortOf(port), pod));
    const key = JSON.stringify(ports);
    const group = byPorts.get(key) ?? { ports, endpoints: [] };
    group.endpoints.push(endpointOf(service, pod, address, zoneOfNode(pod.nodeName)));
    byPorts.set(key, group);
  }
  for (const { endpoints } of byPorts.values()) {
    endpoints.sort((a, b) => compareAddresses(a.address, b.address));
  }
  return [...byPorts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
}

/** As FindPort: a name that no container of the Pod has keeps the port out of its slice. */
function resolved(port: ServicePort, target: number | string, pod: Pod): EndpointPort[] {
  const { name, protocol } = port;
  if (typeof target === "number") return [{ name, protocol, port: target }];
  const found = pod.ports.find((each) => each.name === target && each.protocol === protocol);
  return found ? [{ name, protocol, port: found.containerPort }] : [];
}

/** As podToEndpoint. */
function endpointOf(
  service: Service,
  pod: Pod,
  address: string,
  zone: string | undefined,
): Endpoint {
  return {
    address,
    ready: service.publishNotReadyAddresses || (pod.ready && !pod.terminating),
    serving: pod.ready,
    terminating: pod.terminating,
    nodeName: pod.nodeName,
    zone: zone ?? "",
    zoneHints: [],
    nodeHints: [],
    podName: pod.name,
  };
}

function sliceOf(
  service: Service,
  addressType: IPFamily,
  number: number,
  ports: EndpointPort[],
  endpoints: Endpoint[],
): EndpointSlice {
  return {
    namespace: service.namespace,
    name: `${service.name}-from-pods-${number}`,
    serviceName: service.name,
    addressType,
    ports: ports.map((port) => ({ ...port })),
    endpoints,
    headlessLabel: service.clusterIPs.length === 0,
    lastChangeTriggerTime: 0,
  };
}
