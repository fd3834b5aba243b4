// All endpoints of one ServicePort → those that this node may use under each traffic policy. As
// kube-proxy pkg/proxy/topology.go CategorizeEndpoints (1.35), rule by rule; without its union of
// both lists, since no rule here is per endpoint. Ports and addresses do not matter.

import type { Endpoint, TrafficPolicy } from "../model/types.ts";

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
  /** Whether any node could use any endpoint: decides between refused and dropped. */
  hasAnyEndpoints: boolean;
}

/**
 * Why a list leaves an endpoint out:
 *
 *    not-local     it does not run on this node
 *    not-ready     it is not ready, and others are
 *    not-serving   none is ready, so serving ones that terminate count; it is not one of them
 *    node-hints    it is hinted for other nodes, and others for this one
 *    zone-hints    it is hinted for other zones, and others for this node's
 */
export type LeftOutReason = "not-local" | "not-ready" | "not-serving" | "node-hints" | "zone-hints";

/** Called for every step that may leave endpoints out, in order: those before, those after. */
type StepObserver<C> = (
  list: TrafficPolicy,
  reason: LeftOutReason,
  before: readonly C[],
  after: readonly C[],
) => void;

type Step<C> = (reason: LeftOutReason, before: readonly C[], after: readonly C[]) => void;

/**
 * Returns the usable endpoints: the ready ones, or if there are none, those that terminate and
 * still serve. An observer learns why the others are not usable; only this code knows.
 */
export function categorizeEndpoints<C extends Candidate>(
  candidates: readonly C[],
  policies: PoliciesInUse,
  node: { name: string; zone: string },
  observe?: StepObserver<C>,
): CategorizedEndpoints<C> {
  const step = (list: TrafficPolicy): Step<C> | undefined =>
    observe && ((...seen) => observe(list, ...seen));
  const { usesClusterEndpoints, usesLocalEndpoints } = policies;
  const clusterEndpoints = usesClusterEndpoints ? ofCluster(candidates, node, step("Cluster")) : [];
  const localEndpoints = usesLocalEndpoints ? ofLocal(candidates, step("Local")) : [];
  const hasAnyEndpoints =
    clusterEndpoints.length > 0 || localEndpoints.length > 0 || usable(candidates).length > 0;
  return { clusterEndpoints, localEndpoints, hasAnyEndpoints };
}

function ofLocal<C extends Candidate>(candidates: readonly C[], step?: Step<C>): C[] {
  const local = candidates.filter((candidate) => candidate.local);
  step?.("not-local", candidates, local);
  return usable(local, step);
}

function usable<C extends Candidate>(candidates: readonly C[], step?: Step<C>): C[] {
  const ready = candidates.filter(isReady);
  const kept = ready.length > 0 ? ready : candidates.filter(isServingAndTerminating);
  step?.(ready.length > 0 ? "not-ready" : "not-serving", candidates, kept);
  return kept;
}

function isReady({ endpoint }: Candidate): boolean {
  return endpoint.ready;
}

function isServingAndTerminating({ endpoint }: Candidate): boolean {
  return endpoint.serving && endpoint.terminating;
}

/** Hints narrow only the ready endpoints, and never to nothing. */
function ofCluster<C extends Candidate>(
  candidates: readonly C[],
  node: { name: string; zone: string },
  step?: Step<C>,
): C[] {
  const all = usable(candidates, step);
  if (!all.every(isReady)) return all;
  const forNode = hintedFor(all, "nodeHints", node.name);
  if (forNode) step?.("node-hints", all, forNode);
  const forZone = forNode ? undefined : hintedFor(all, "zoneHints", node.zone);
  if (forZone) step?.("zone-hints", all, forZone);
  return forNode ?? forZone ?? all;
}

/**
 * Returns the endpoints hinted for `name`; undefined when the hints do not count: an endpoint has
 * none, or none is for `name`. Reads neither spec.trafficDistribution nor an annotation (KEP-3015,
 * KEP-4444: the slices' hints are enough).
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
