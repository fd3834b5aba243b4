// All endpoints of one ServicePort → those that this node may use under each traffic policy. As
// kube-proxy pkg/proxy/topology.go CategorizeEndpoints (1.35), rule by rule; its union of both
// lists is left out, since no rule is written per endpoint here. Ports and addresses play no part.

import type { Endpoint } from "../model/types.ts";

/** An endpoint and whether it runs on this node. */
export interface Candidate {
  endpoint: Pick<Endpoint, "ready" | "serving" | "terminating" | "zoneHints" | "nodeHints">;
  local: boolean;
}

export interface PoliciesInUse {
  usesClusterEndpoints: boolean;
  usesLocalEndpoints: boolean;
}

export interface CategorizedEndpoints<C> {
  /** Usable under policy Cluster; empty when that policy is not in use. */
  clusterEndpoints: C[];
  /** Usable under policy Local; empty when that policy is not in use. */
  localEndpoints: C[];
  /** Whether any node could use any: decides between refused and dropped. */
  hasAnyEndpoints: boolean;
}

/** Usable are the ready ones; when there are none, the serving ones among the terminating. */
export function categorizeEndpoints<C extends Candidate>(
  candidates: readonly C[],
  policies: PoliciesInUse,
  node: { name: string; zone: string },
): CategorizedEndpoints<C> {
  const clusterEndpoints = policies.usesClusterEndpoints ? ofCluster(candidates, node) : [];
  const localEndpoints = policies.usesLocalEndpoints
    ? usable(candidates.filter((candidate) => candidate.local))
    : [];
  const hasAnyEndpoints =
    clusterEndpoints.length > 0 || localEndpoints.length > 0 || usable(candidates).length > 0;
  return { clusterEndpoints, localEndpoints, hasAnyEndpoints };
}

function usable<C extends Candidate>(candidates: readonly C[]): C[] {
  const ready = candidates.filter(isReady);
  return ready.length > 0 ? ready : candidates.filter(isServingAndTerminating);
}

function isReady({ endpoint }: Candidate): boolean {
  return endpoint.ready;
}

function isServingAndTerminating({ endpoint }: Candidate): boolean {
  return endpoint.serving && endpoint.terminating;
}

/** Hints narrow down the ready endpoints only, and never to nothing. */
function ofCluster<C extends Candidate>(
  candidates: readonly C[],
  node: { name: string; zone: string },
): C[] {
  const ready = candidates.filter(isReady);
  if (ready.length === 0) return candidates.filter(isServingAndTerminating);
  return (
    hintedFor(ready, "nodeHints", node.name) ?? hintedFor(ready, "zoneHints", node.zone) ?? ready
  );
}

/**
 * The endpoints hinted for `name`; undefined when the hints do not count: one endpoint has none, or
 * none is for `name`. Neither spec.trafficDistribution nor an annotation is asked (KEP-3015,
 * KEP-4444: the slices' hints say it all).
 */
function hintedFor<C extends Candidate>(
  ready: readonly C[],
  kind: "nodeHints" | "zoneHints",
  name: string,
): C[] | undefined {
  if (ready.some(({ endpoint }) => endpoint[kind].length === 0)) return undefined;
  const hinted = ready.filter(({ endpoint }) => endpoint[kind].includes(name));
  return hinted.length > 0 ? hinted : undefined;
}
