// Kubernetes' way of debugging a Service ("Debug Services"), step by step, for one Service or all:
// lists of objects → findings. Pure.
//
// How to add a kind of finding: a function of a ServiceCase in a file of its own, called here.

import { nearest } from "../model/near-text.ts";
import { type IndexedCluster, indexed, serviceCase } from "./case.ts";
import { type Claims, claimsOf, conflictFindings } from "./conflicts.ts";
import { frontendFindings, hasFrontend, kindFindings } from "./frontends.ts";
import { getServices } from "./kubectl.ts";
import { orphanSliceFindings } from "./orphan-slices.ts";
import { policyFindings } from "./policies.ts";
import { readinessFindings } from "./readiness.ts";
import { selectorFindings } from "./selector.ts";
import { sliceFindings } from "./slice-findings.ts";
import { targetPortFindings } from "./target-ports.ts";
import type { DoctorCluster, DoctorService, Finding } from "./types.ts";

/** Returns one finding of level error when there is no such Service. */
export function diagnoseService(
  cluster: DoctorCluster,
  namespace: string,
  name: string,
): Finding[] {
  const lists = indexed(cluster);
  const of = lists.services.find(({ service }) => {
    return service.namespace === namespace && service.name === name;
  });
  if (!of) return [missingService(lists, namespace, name)];
  return findingsOf(of, lists, claimsOf(cluster));
}

/** Returns findings of all Services, in the order of their names, then of the cluster. */
export function diagnoseAll(cluster: DoctorCluster): Finding[] {
  const lists = indexed(cluster);
  const claims = claimsOf(cluster);
  const findings = lists.services.map((of) => findingsOf(of, lists, claims));
  const all = findings.flat().sort((a, b) => compare(a.service, b.service));
  return [...all, ...orphanSliceFindings(lists)];
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function findingsOf(of: DoctorService, lists: IndexedCluster, claims: Claims): Finding[] {
  const one = serviceCase(of, lists);
  if (of.service.type === "ExternalName") return kindFindings(one);
  const backends = [
    ...selectorFindings(one),
    ...readinessFindings(one),
    ...targetPortFindings(one),
    ...sliceFindings(one),
  ];
  if (!hasFrontend(one)) return [...kindFindings(one), ...backends];
  return [
    ...frontendFindings(one),
    ...conflictFindings(one, claims),
    ...backends,
    ...policyFindings(one),
  ];
}

function missingService(lists: IndexedCluster, namespace: string, name: string): Finding {
  const here = lists.services.filter(({ service }) => service.namespace === namespace);
  const elsewhere = lists.services.filter(({ service }) => service.name === name);
  const near = nearest(
    name,
    here.map(({ service }) => service.name),
  );
  const namespaces = elsewhere.map(({ service }) => service.namespace);
  const hints = [
    ...(near.length > 0 ? [`did you mean ${near.slice(0, 3).join(" or ")}?`] : []),
    ...(namespaces.length > 0 ? [`there is one in namespace ${namespaces.join(", ")}`] : []),
  ];
  const otherwise =
    here.length === 0
      ? `namespace ${namespace} has no Services, or does not exist`
      : "none of its Services has a similar name";
  return {
    level: "error",
    code: "no-such-service",
    service: `${namespace}/${name}`,
    text: `there is no Service ${namespace}/${name}; ${hints.join("; ") || otherwise}`,
    command: getServices(elsewhere[0]?.service.namespace ?? namespace),
  };
}
