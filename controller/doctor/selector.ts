// Does the Service's selector match Pods, and if not, which may it have meant? Pure.

import { count, readSlices, type ServiceCase, some } from "./case.ts";
import { allSlices, getService, getSlices, podLabels, selectedPods } from "./kubectl.ts";
import { type LabelDifference, type NearLabels, nearLabels } from "./near-labels.ts";
import { sliceProbablyMeant } from "./orphan-slices.ts";
import type { Finding } from "./types.ts";

const MOST_SUGGESTIONS = 3;

/**
 * Reports how many Pods the selector matches; when none, the Pods whose labels are most like it.
 * Without a selector, reports where the endpoints come from. Empty when Pods could not be read.
 */
export function selectorFindings(of: ServiceCase): Finding[] {
  const { service, selectorText, pods, finishedPods } = of;
  if (selectorText === "") return withoutSelector(of);
  if (!pods) return [];
  const command = selectedPods(service.namespace, selectorText);
  const selector = `its selector ${selectorText}`;
  if (pods.length > 0) {
    const more = finishedPods.length > 0 ? `, and ${finishedPods.length} that have finished` : "";
    const text = `${selector} matches ${count(pods.length, "Pod")}${more}`;
    return [of.find("ok", "selector", text, command)];
  }
  if (finishedPods.length > 0) {
    const names = some(finishedPods.map(({ pod }) => pod.name));
    const text = `${selector} matches only Pods that have finished (Succeeded or Failed): ${names}`;
    return [of.find("error", "selector-matches-finished-pods", text, command)];
  }
  return [selectorMatchesNothing(of)];
}

function selectorMatchesNothing(of: ServiceCase): Finding {
  const { service, selectorText, cluster } = of;
  const groups = cluster.labelGroups();
  const near = nearLabels(service.selector ?? {}, service.namespace, groups);
  const isHere = ({ namespace }: NearLabels) => namespace === service.namespace;
  const here = near.filter(isHere).filter(({ cost }, _, all) => cost <= (all[0]?.cost ?? 0) + 1);
  const far = near.filter((each) => !isHere(each));
  const hints = [...here.slice(0, MOST_SUGGESTIONS).map(suggestion), ...elsewhere(far)];
  const isEmpty = !groups.some(({ namespace }) => namespace === service.namespace);
  const otherwise = isEmpty
    ? `namespace ${service.namespace} has no Pods: is the Deployment scaled to 0, or in ` +
      "another namespace?"
    : "no Pod has similar labels";
  const text = `its selector ${selectorText} matches no Pod; ${hints.join("; ") || otherwise}`;
  const where = near[0]?.namespace ?? service.namespace;
  return of.find("error", "selector-matches-nothing", text, podLabels(where));
}

/** Names Pods of other namespaces that the unchanged selector matches. */
function elsewhere(near: readonly NearLabels[]): string[] {
  if (near.length === 0) return [];
  const [{ namespace = "", pods = [] } = {}] = near;
  const where =
    near.length === 1
      ? `${count(pods.length, "Pod")} (${some(pods)}) in namespace ${namespace}`
      : `Pods in namespaces ${some(near.map((each) => each.namespace))}`;
  return [`it does match ${where}, but a Service selects only Pods of its own namespace`];
}

function suggestion({ pods, differences }: NearLabels): string {
  const which = `${count(pods.length, "Pod")} (${some(pods)})`;
  const verb = pods.length === 1 ? "has" : "have";
  const parts = differences.map((difference) => differenceText(verb, difference));
  return `${which} ${parts.join(" and ")}`;
}

function differenceText(verb: string, { wanted, present }: LabelDifference): string {
  const lacking = verb === "has" ? "lacks" : "lack";
  return present === undefined ? `${lacking} ${wanted}` : `${verb} ${present}, not ${wanted}`;
}

/** Without a selector the endpoints come from hand-written slices, which must exist. */
function withoutSelector(of: ServiceCase): Finding[] {
  const { service, slices } = of;
  const endpoints = readSlices(of).flatMap((slice) => slice.endpoints);
  if (endpoints.length > 0) {
    const names = some(slices.map(({ name, managedBy }) => `${name}${by(managedBy)}`));
    const text = `it has no selector: its endpoints are those of EndpointSlice ${names}`;
    return [of.find("note", "no-selector", text, getSlices(service))];
  }
  const meant = sliceProbablyMeant(of);
  const pods = podsNamedLike(of);
  const hint = meant ?? pods ?? "create an EndpointSlice with that label, or set a selector";
  const text =
    "it has no selector, and no EndpointSlice labelled " +
    `kubernetes.io/service-name=${service.name} has an endpoint; ${hint}`;
  const command = meant ? allSlices(service.namespace) : getService(service);
  return [of.find("error", "no-endpoints", text, command)];
}

function by(managedBy: string): string {
  return managedBy === "" ? "" : ` (managed by ${managedBy})`;
}

/** When the selector was forgotten, Pods often have a label with the Service's name. */
function podsNamedLike({ service, cluster }: ServiceCase): string | undefined {
  const own = cluster.podsByNamespace.get(service.namespace) ?? [];
  for (const { pod } of own) {
    const label = Object.entries(pod.labels).find(([, value]) => value === service.name);
    if (label) return `was the selector ${label.join("=")} forgotten? Pod ${pod.name} has it`;
  }
  return undefined;
}
