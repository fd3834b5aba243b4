// The objects of all manifest files → the objects of the cluster they describe. No I/O. Allocates
// nothing: in a cluster the API server chooses cluster IPs and node ports.

import { objectKey } from "../model/cluster-state.ts";
import type { EndpointSlice, Node, Problem, Service, ServiceCIDR } from "../model/types.ts";
import type { ManifestKind, ManifestObject, ManifestValues } from "./manifests-file.ts";
import type { Pod } from "./manifests-pod.ts";
import { type SelectingService, slicesFromPods } from "./slices-from-pods.ts";

interface ClusterObjects {
  Service: Service[];
  EndpointSlice: EndpointSlice[];
  Node: Node[];
  ServiceCIDR: ServiceCIDR[];
  problems: Problem[];
}

/** If an object is defined twice, the first counts: pass the files in a fixed order. */
export function clusterObjectsFrom(manifests: readonly ManifestObject[]): ClusterObjects {
  const problems: Problem[] = [];
  const unique = firstOfEach(manifests, problems);
  const selecting = valuesOf(unique, "Service");
  const nodes = valuesOf(unique, "Node");
  const given = valuesOf(unique, "EndpointSlice");
  for (const each of unique) if (each.kind === "Service") problems.push(...unallocated(each));
  return {
    Service: selecting.map(({ service }) => service),
    EndpointSlice: [...given, ...computedSlices(selecting, given, valuesOf(unique, "Pod"), nodes)],
    Node: nodes,
    ServiceCIDR: valuesOf(unique, "ServiceCIDR"),
    problems,
  };
}

function firstOfEach(manifests: readonly ManifestObject[], problems: Problem[]): ManifestObject[] {
  const byObject = new Map<string, ManifestObject>();
  for (const each of manifests) {
    const first = byObject.get(each.object);
    if (!first) byObject.set(each.object, each);
    else {
      const message = `${each.place}: already defined at ${first.place}, which is the one used`;
      problems.push({ object: each.object, message });
    }
  }
  return [...byObject.values()];
}

function valuesOf<K extends ManifestKind>(
  manifests: readonly ManifestObject[],
  kind: K,
): ManifestValues[K][] {
  const own = manifests.filter((each) => each.kind === kind);
  return own.map(({ value }) => value as ManifestValues[K]);
}

function unallocated(manifest: ManifestObject & { value: SelectingService }): Problem[] {
  const { service } = manifest.value;
  const { object, place } = manifest;
  if (service.type === "ExternalName" || service.headless) return [];
  const problem = (message: string) => ({ object, message: `${place}: ${message}` });
  if (service.clusterIPs.length === 0) {
    const hint = "set a free address of the Service CIDR, or None";
    return [problem(`spec.clusterIP is missing, and nothing allocates one for manifests: ${hint}`)];
  }
  if (service.type !== "NodePort") return [];
  const missing = service.ports.filter(({ nodePort }) => nodePort === 0);
  const hint = "and nothing allocates one for manifests: set a free one from 30000 to 32767";
  return missing.map(({ port }) => problem(`nodePort of port ${port} is missing, ${hint}`));
}

/** Computes slices for the Services with a selector for which no slice is given. */
function computedSlices(
  selecting: readonly SelectingService[],
  given: readonly EndpointSlice[],
  pods: readonly Pod[],
  nodes: readonly Node[],
): EndpointSlice[] {
  const withSlices = new Set(given.map((slice) => `${slice.namespace}/${slice.serviceName}`));
  const zones = new Map(
    nodes.map(({ name, labels }) => [name, labels["topology.kubernetes.io/zone"]]),
  );
  return selecting
    .filter(({ service }) => !withSlices.has(objectKey(service)))
    .flatMap((each) => slicesFromPods(each, pods, (nodeName) => zones.get(nodeName)));
}
