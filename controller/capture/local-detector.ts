// How to recognise a client as a Pod of this node: kube-proxy's detectLocalMode.

import { familyOf } from "../model/ip.ts";
import type { IPFamily } from "../model/types.ts";

export type LocalDetector =
  /** Not at all: every client but the host itself counts as outside, and none as not local. */
  | { kind: "none" }
  /** By its address; canonical CIDRs. A family that has none here is detected as by "none". */
  | { kind: "cidrs"; cidrs: readonly string[] }
  /** By the interface on which its packets arrive: of this name, or with this prefix. */
  | { kind: "bridge"; name: string }
  | { kind: "prefix"; prefix: string };

/** Returns those of the families in which the detector recognises Pods of this node. */
export function detectedFamilies(
  detector: LocalDetector,
  families: readonly IPFamily[],
): readonly IPFamily[] {
  if (detector.kind === "none") return [];
  if (detector.kind !== "cidrs") return families;
  const known = new Set(detector.cidrs.map(familyOf));
  return families.filter((family) => known.has(family));
}
