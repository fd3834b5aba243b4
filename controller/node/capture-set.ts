// The node view → what the kernel is told.

import { cidrContains, compareAddresses, familyOf } from "../model/ip.ts";
import { CARRIED_FAMILIES } from "./carried.ts";
import type { NodeView, NodeViewChange } from "./node-view.ts";
import type { CaptureSet, FrontendKey, Verdict } from "./types.ts";

/** What is captured before there is a view. */
export const EMPTY_CAPTURE_SET: CaptureSet = {
  verdicts: new Map(),
  clusterIPs: [],
  serviceCIDRs: [],
  localEndpoints: [],
  allowedSources: new Map(),
  externalFrontends: [],
};

/**
 * The capture set of `view` after `change`. The parts that did not change are the very objects of
 * `previous`, and so is the whole when none did: compare with ===.
 */
export function captureSetFrom(
  view: NodeView,
  change: NodeViewChange,
  serviceCIDRs: readonly string[],
  previous: CaptureSet,
): CaptureSet {
  const next: CaptureSet = {
    verdicts: verdictsAfter(change, previous.verdicts),
    clusterIPs: view.clusterIPs(),
    serviceCIDRs: keepIfSame(previous.serviceCIDRs, widestCIDRs(serviceCIDRs)),
    localEndpoints: view.localEndpoints(),
    allowedSources: previous.allowedSources,
    externalFrontends: previous.externalFrontends,
  };
  const keys = Object.keys(next) as (keyof CaptureSet)[];
  return keys.every((key) => next[key] === previous[key]) ? previous : next;
}

/** Sorted by key, so that the same view gives the same text. */
function verdictsAfter(
  change: NodeViewChange,
  previous: ReadonlyMap<FrontendKey, Verdict>,
): ReadonlyMap<FrontendKey, Verdict> {
  const differing = change.upserted.filter(({ key, verdict }) => previous.get(key) !== verdict);
  if (differing.length === 0 && change.removed.length === 0) return previous;
  const verdicts = new Map(previous);
  for (const key of change.removed) verdicts.delete(key);
  for (const { key, verdict } of differing) verdicts.set(key, verdict);
  if (differing.every(({ key }) => previous.has(key))) return verdicts;
  const keys = [...verdicts.keys()].sort();
  return new Map(keys.map((key) => [key, verdicts.get(key) as Verdict]));
}

/** Sorted; without those that another contains, which an nftables interval set would refuse. */
function widestCIDRs(cidrs: readonly string[]): string[] {
  const carried = new Set(cidrs.filter((cidr) => CARRIED_FAMILIES.includes(familyOf(cidr))));
  const widest = [...carried].filter((cidr) => ![...carried].some((other) => isIn(cidr, other)));
  return widest.sort((a, b) => compareAddresses(networkOf(a), networkOf(b)));
}

function isIn(cidr: string, other: string): boolean {
  if (bitsOf(cidr) <= bitsOf(other)) return false;
  return cidrContains(other, networkOf(cidr));
}

function networkOf(cidr: string): string {
  return cidr.slice(0, cidr.indexOf("/"));
}

function bitsOf(cidr: string): number {
  return Number(cidr.slice(cidr.indexOf("/") + 1));
}

function keepIfSame(previous: readonly string[], next: readonly string[]): readonly string[] {
  const isSame =
    previous.length === next.length && next.every((each, index) => each === previous[index]);
  return isSame ? previous : next;
}
