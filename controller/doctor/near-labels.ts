// A selector that matches nothing, and the existing Pods → which Pods it may have meant, and what
// keeps it from matching them. Pure.

import { nearness } from "../model/near-text.ts";
import type { Pod } from "../watch/manifests-pod.ts";

export interface NearLabels {
  namespace: string;
  /** Sorted names of the Pods. */
  pods: string[];
  /** What these Pods have instead of what the selector requires; empty in another namespace. */
  differences: LabelDifference[];
  /** Lower is nearer; only for comparison. */
  cost: number;
}

export interface LabelDifference {
  /** "app=orders-api" */
  wanted: string;
  /** "app=order-api"; undefined when the Pods have nothing similar. */
  present: string | undefined;
}

type Labels = Readonly<Record<string, string>>;

/** Same key, very different value; only for Pods that match another part of the selector. */
const OTHER_VALUE_COST = 10;
/** The Pods lack the key; again only for Pods that match another part. */
const MISSING_COST = 12;
const OTHER_KEY_COST = 3;
const OTHER_NAMESPACE_COST = 4;

/** Labels that differ between otherwise equal Pods. */
const VOLATILE = new Set([
  "pod-template-hash",
  "controller-revision-hash",
  "pod-template-generation",
  "statefulset.kubernetes.io/pod-name",
  "apps.kubernetes.io/pod-index",
  "batch.kubernetes.io/controller-uid",
  "controller-uid",
]);

/**
 * Returns the nearest first. Pods of other namespaces count only when the selector matches them
 * unchanged. Pods of its own namespace that match already do not count, so call it only for a
 * selector that matches none.
 */
export function nearLabels(
  selector: Labels,
  namespace: string,
  groups: Iterable<LabelGroup>,
): NearLabels[] {
  const found = new Map<string, NearLabels>();
  for (const group of groups) {
    const near = nearGroup(selector, namespace, group);
    if (!near) continue;
    const key = JSON.stringify([near.namespace, near.differences]);
    const before = found.get(key);
    if (before) before.pods = [...before.pods, ...near.pods].sort();
    else found.set(key, near);
  }
  return [...found.values()].sort(compare);
}

function compare(a: NearLabels, b: NearLabels): number {
  return a.cost - b.cost || (keyOf(a) < keyOf(b) ? -1 : 1);
}

function keyOf({ namespace, pods }: NearLabels): string {
  return `${namespace}/${pods[0]}`;
}

/** The Pods of a namespace that have the same labels, except for the volatile ones. */
export interface LabelGroup {
  namespace: string;
  labels: Labels;
  pods: string[];
}

/**
 * Groups Pods by namespace and labels; labels that differ in every Pod of a Deployment do not
 * count. A group has the labels of its first Pod.
 */
export function labelGroups(pods: Iterable<Pod>): LabelGroup[] {
  const groups = new Map<string, LabelGroup>();
  for (const { namespace, name, labels } of pods) {
    const lasting = Object.entries(labels).filter(([key]) => !VOLATILE.has(key));
    const key = JSON.stringify([namespace, lasting.sort()]);
    const group = groups.get(key) ?? { namespace, labels, pods: [] };
    group.pods.push(name);
    groups.set(key, group);
  }
  return [...groups.values()];
}

function nearGroup(selector: Labels, namespace: string, group: LabelGroup): NearLabels | undefined {
  const isHere = group.namespace === namespace;
  if (!isHere && !matches(selector, group.labels)) return undefined;
  const pairs = Object.entries(selector).map((pair) => nearPair(pair, group.labels));
  const differences = pairs.flatMap(({ difference }) => difference ?? []);
  const pods = [...group.pods].sort();
  if (differences.length === 0 && !isHere && pairs.length > 0) {
    return { namespace: group.namespace, pods, differences, cost: OTHER_NAMESPACE_COST };
  }
  if (!isHere || differences.length === 0) return undefined;
  const cost = pairs.reduce((sum, pair) => sum + pair.cost, 0);
  const hasSomething = pairs.some((pair) => pair.cost < OTHER_VALUE_COST);
  return hasSomething ? { namespace, pods, differences, cost } : undefined;
}

function matches(selector: Labels, labels: Labels): boolean {
  for (const key in selector) {
    if (!Object.hasOwn(labels, key) || labels[key] !== selector[key]) return false;
  }
  return true;
}

interface NearPair {
  cost: number;
  /** Undefined when the Pods have the label. */
  difference: LabelDifference | undefined;
}

function nearPair([key, value]: [string, string], labels: Labels): NearPair {
  const own = Object.hasOwn(labels, key) ? labels[key] : undefined;
  if (own === value) return { cost: 0, difference: undefined };
  const wanted = `${key}=${value}`;
  const candidates: { cost: number; present: string | undefined }[] = [
    { cost: MISSING_COST, present: undefined },
  ];
  if (own !== undefined) {
    const cost = nearness(value, own) ?? OTHER_VALUE_COST;
    candidates.push({ cost, present: `${key}=${own}` });
  }
  for (const [otherKey, otherValue] of Object.entries(labels)) {
    if (otherValue !== value || otherKey === key || VOLATILE.has(otherKey)) continue;
    const cost = Math.min(nearness(key, otherKey) ?? OTHER_KEY_COST, OTHER_KEY_COST);
    candidates.push({ cost, present: `${otherKey}=${otherValue}` });
  }
  candidates.sort((a, b) => a.cost - b.cost || ((a.present ?? "") < (b.present ?? "") ? -1 : 1));
  const best = candidates[0] as (typeof candidates)[number];
  return { cost: best.cost, difference: { wanted, present: best.present } };
}
