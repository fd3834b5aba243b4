// The node view → what the kernel is told.

import { familyOf } from "../model/ip.ts";
import { sameData } from "../model/same-data.ts";
import { CARRIED_FAMILIES } from "./carried.ts";
import { widestCIDRs } from "./cidr-set.ts";
import type { NodeView, NodeViewChange } from "./node-view.ts";
import type { CaptureSet, Frontend, FrontendKey } from "./types.ts";

/** What is captured before there is a view. */
export const EMPTY_CAPTURE_SET: CaptureSet = {
  verdicts: new Map(),
  clusterIPs: [],
  serviceCIDRs: [],
  localEndpoints: [],
  allowedSources: new Map(),
  externalFrontends: [],
  udpAddresses: new Map(),
  formerUdpAddresses: new Map(),
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
  const carried = serviceCIDRs.filter((cidr) => CARRIED_FAMILIES.includes(familyOf(cidr)));
  const next: CaptureSet = {
    verdicts: after(change, previous.verdicts, ({ verdict }) => verdict),
    clusterIPs: view.clusterIPs(),
    serviceCIDRs: keepIfSame(previous.serviceCIDRs, widestCIDRs(carried)),
    localEndpoints: view.localEndpoints(),
    allowedSources: after(change, previous.allowedSources, restrictionOf),
    externalFrontends: view.externalFrontends(),
    // Who makes the listeners knows their addresses.
    udpAddresses: previous.udpAddresses,
    formerUdpAddresses: previous.formerUdpAddresses,
  };
  const keys = Object.keys(next) as (keyof CaptureSet)[];
  return keys.every((key) => next[key] === previous[key]) ? previous : next;
}

/** Undefined when everybody may dial it. */
function restrictionOf({ allowedSources }: Frontend): readonly string[] | undefined {
  return allowedSources.length === 0 ? undefined : allowedSources;
}

/** `previous` with the changed frontends' values. Sorted, so that the same view gives one text. */
function after<T>(
  change: NodeViewChange,
  previous: ReadonlyMap<FrontendKey, T>,
  valueIn: (frontend: Frontend) => T | undefined,
): ReadonlyMap<FrontendKey, T> {
  const values = new Map<FrontendKey, T | undefined>();
  for (const key of change.removed) values.set(key, undefined);
  for (const frontend of change.upserted) values.set(frontend.key, valueIn(frontend));
  const differing = [...values].filter(([key, value]) => !sameData(previous.get(key), value));
  if (differing.length === 0) return previous;
  const next = new Map(previous);
  for (const [key, value] of differing) {
    if (value === undefined) next.delete(key);
    else next.set(key, value);
  }
  if (differing.every(([key, value]) => value === undefined || previous.has(key))) return next;
  const sorted = [...next].sort(([a], [b]) => (a < b ? -1 : 1));
  return new Map(sorted);
}

function keepIfSame(previous: readonly string[], next: readonly string[]): readonly string[] {
  return sameData(previous, next) ? previous : next;
}
