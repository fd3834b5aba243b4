// A folder of manifests → what the doctor examines. Missing EndpointSlices are those that the
// controller would make of the Pods, as `portico run --manifests` does.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { computedSlice, READERS } from "../doctor/objects.ts";
import type { DoctorCluster, DoctorSlice, Finding } from "../doctor/types.ts";
import { recordOf, textOf } from "../model/json.ts";
import type { Problem } from "../model/types.ts";
import { manifestNames } from "../watch/manifests.ts";
import { manifestItems } from "../watch/manifests-file.ts";
import { slicesFromPods } from "../watch/slices-from-pods.ts";
import type { Look } from "./doctor-api.ts";

/** Rejects when the folder or one of its files cannot be read. */
export async function lookAtManifests(directory: string): Promise<Look> {
  const names = await manifestNames(directory).catch((error: Error) => {
    throw new Error(`cannot read the directory of manifests: ${error.message}`);
  });
  const problems: Problem[] = [];
  const items: unknown[] = [];
  for (const name of names) {
    const text = await readFile(join(directory, name), "utf8");
    items.push(...manifestItems(name, text, problems).map(({ json }) => json));
  }
  const findings = problems.map((problem) => fileFinding(directory, problem));
  return { cluster: clusterOf(items), findings };
}

/** Others have kinds of the same name. */
const GROUPS = {
  Service: "v1",
  Pod: "v1",
  Node: "v1",
  EndpointSlice: "discovery.k8s.io/",
  ServiceCIDR: "networking.k8s.io/",
} as const;

function clusterOf(items: readonly unknown[]): DoctorCluster {
  const ofKind = (kind: keyof typeof GROUPS) =>
    items.filter((json) => {
      const { apiVersion, kind: own } = recordOf(json);
      return own === kind && textOf(apiVersion).startsWith(GROUPS[kind]);
    });
  const services = ofKind("Service").flatMap(READERS.services);
  const given = ofKind("EndpointSlice").flatMap(READERS.endpointslices);
  const pods = ofKind("Pod").flatMap(READERS.pods);
  const nodes = ofKind("Node").flatMap(READERS.nodes);
  const zones = new Map(
    nodes.map(({ node }) => [node.name, node.labels["topology.kubernetes.io/zone"]]),
  );
  const withSlices = new Set(given.map((each) => `${each.namespace}/${each.serviceName}`));
  const computed: DoctorSlice[] = services
    .filter(({ service }) => !withSlices.has(`${service.namespace}/${service.name}`))
    .flatMap((each) => {
      const all = pods.map(({ pod }) => pod);
      return slicesFromPods(each, all, (name) => zones.get(name)).map(computedSlice);
    });
  const serviceCIDRs = ofKind("ServiceCIDR").flatMap(READERS.servicecidrs);
  return {
    services,
    slices: [...given, ...computed],
    // A folder with slices may leave out the Pods; one with neither has no Pods.
    pods: pods.length > 0 || given.length === 0 ? pods : undefined,
    nodes: nodes.length > 0 ? nodes : undefined,
    serviceCIDRs,
  };
}

function fileFinding(directory: string, { object, message }: Problem): Finding {
  const text = `${object} in ${directory}: ${message}`;
  const command = `ls -l ${directory}`;
  return { level: "error", code: "unreadable-manifest", service: "", text, command };
}
