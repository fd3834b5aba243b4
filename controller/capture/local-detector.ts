// How a client is recognised as a Pod of this node: kube-proxy's detectLocalMode.

import { familyOf } from "../model/ip.ts";
import type { IPFamily } from "../model/types.ts";

export type LocalDetector =
  /** It is not: every client but the host itself counts as outside, and none as not local. */
  | { kind: "none" }
  /** By its address; canonical CIDRs. A family that has none here is detected as by "none". */
  | { kind: "cidrs"; cidrs: readonly string[] }
  /** By the interface that its packets come in by: of this name, or of names that begin so. */
  | { kind: "bridge"; name: string }
  | { kind: "prefix"; prefix: string };

/** Of these families, those in which Pods of this node can be told from other clients. */
export function detectedFamilies(
  detector: LocalDetector,
  families: readonly IPFamily[],
): readonly IPFamily[] {
  if (detector.kind === "none") return [];
  if (detector.kind !== "cidrs") return families;
  const known = new Set(detector.cidrs.map(familyOf));
  return families.filter((family) => known.has(family));
}
