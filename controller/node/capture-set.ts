// Changes of the node view → the capture set, its part for the kernel, updated in place. A change
// costs what changed: only changed entries are looked at, and the sets of addresses are the view's.

import { familyOf } from "../model/ip.ts";
import { sameData } from "../model/same-data.ts";
import { CARRIED_FAMILIES } from "./carried.ts";
import { widestCIDRs } from "./cidr-set.ts";
import type { NodeView, NodeViewChange } from "./node-view.ts";
import type {
  CaptureChange,
  CapturedFrontend,
  CaptureSet,
  Frontend,
  FrontendKey,
} from "./types.ts";

/** The capture set of an empty view. */
export const EMPTY_CAPTURE_SET: CaptureSet = {
  frontends: new Map(),
  clusterIPs: new Set(),
  serviceCIDRs: new Set(),
  localBackendAddresses: new Set(),
};

export class FollowedCaptureSet {
  /** The same object for ever, as of the last apply(). */
  readonly set: CaptureSet;
  readonly #view: NodeView;
  readonly #frontends = new Map<FrontendKey, CapturedFrontend>();
  readonly #serviceCIDRs = new Set<string>();

  /** The view must be empty, and only its changes since then are applied here. */
  constructor(view: NodeView) {
    this.#view = view;
    this.set = {
      frontends: this.#frontends,
      clusterIPs: view.clusterIPs,
      serviceCIDRs: this.#serviceCIDRs,
      localBackendAddresses: view.localBackendAddresses,
    };
  }

  /** Applies a change of the view; `serviceCIDRs` are all of them, undefined: as before. */
  apply(change: NodeViewChange, serviceCIDRs: readonly string[] | undefined): CaptureChange {
    return {
      frontends: this.#applyFrontends(change),
      clusterIPs: this.#view.clusterIPs.takeChanged(),
      serviceCIDRs: serviceCIDRs ? this.#replaceServiceCIDRs(serviceCIDRs) : [],
      localBackendAddresses: this.#view.localBackendAddresses.takeChanged(),
    };
  }

  #applyFrontends({ upserted, removed }: NodeViewChange): FrontendKey[] {
    const changed = removed.filter((key) => this.#frontends.delete(key));
    for (const frontend of upserted) {
      const captured = capturedFrom(frontend);
      if (sameData(this.#frontends.get(frontend.key), captured)) continue;
      this.#frontends.set(frontend.key, captured);
      changed.push(frontend.key);
    }
    return changed;
  }

  #replaceServiceCIDRs(cidrs: readonly string[]): string[] {
    const carried = cidrs.filter((cidr) => CARRIED_FAMILIES.includes(familyOf(cidr)));
    const next = new Set(widestCIDRs(carried));
    const changed = [...next.symmetricDifference(this.#serviceCIDRs)];
    this.#serviceCIDRs.clear();
    for (const cidr of next) this.#serviceCIDRs.add(cidr);
    return changed;
  }
}

function capturedFrom(frontend: Frontend): CapturedFrontend {
  const { family, address, port, protocol, kind, verdict, allowedSources } = frontend;
  const isExternal = kind === "ExternalIP" || kind === "LoadBalancer";
  return { family, address, port, protocol, verdict, allowedSources, isExternal };
}
