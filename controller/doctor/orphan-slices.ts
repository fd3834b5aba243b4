// EndpointSlices that belong to no Service: no proxy serves their endpoints. Pure.

import { nearest } from "../model/near-text.ts";
import { type IndexedCluster, type ServiceCase, some } from "./case.ts";
import { getSlice } from "./kubectl.ts";
import type { DoctorSlice, Finding } from "./types.ts";

/** Returns the findings of the whole cluster, one for each slice. */
export function orphanSliceFindings(cluster: IndexedCluster): Finding[] {
  const services = new Set(
    cluster.services.map(({ service: { namespace, name } }) => {
      return `${namespace}/${name}`;
    }),
  );
  const orphans = cluster.slices.filter(({ namespace, serviceName }) => {
    return !services.has(`${namespace}/${serviceName}`);
  });
  return orphans.map((slice) => orphanFinding(slice, cluster));
}

function orphanFinding(orphan: DoctorSlice, cluster: IndexedCluster): Finding {
  const { namespace, name, serviceName } = orphan;
  const own = cluster.services.filter(({ service }) => service.namespace === namespace);
  const names = own.map(({ service }) => service.name);
  const near = nearest(serviceName === "" ? name : serviceName, names);
  const meant = near.length > 0 ? `; did you mean ${some(near, 2)}?` : "";
  const why =
    serviceName === ""
      ? "has no label kubernetes.io/service-name, so it belongs to no Service"
      : `is labelled for Service ${serviceName}, which does not exist`;
  return {
    level: "warning",
    code: "orphan-slice",
    service: "",
    text: `EndpointSlice ${namespace}/${name} ${why}${meant}`,
    command: getSlice(namespace, name),
  };
}

/** Names a slice of the namespace that seems meant for this Service and is not; in words. */
export function sliceProbablyMeant({ service, cluster }: ServiceCase): string | undefined {
  const { namespace, name } = service;
  const known = new Set(
    cluster.services.flatMap((each) => {
      return each.service.namespace === namespace ? [each.service.name] : [];
    }),
  );
  for (const slice of cluster.slices) {
    if (slice.namespace !== namespace || known.has(slice.serviceName)) continue;
    const label = slice.serviceName;
    if (label === "" && nearest(name, [slice.name]).length + (slice.name === name ? 1 : 0) > 0) {
      return `EndpointSlice ${slice.name} lacks that label`;
    }
    if (label !== "" && nearest(name, [label]).length > 0) {
      return `EndpointSlice ${slice.name} has kubernetes.io/service-name=${label}`;
    }
  }
  return undefined;
}
