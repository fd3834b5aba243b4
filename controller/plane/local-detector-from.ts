// The setting detectLocalMode, and this node's Pod CIDRs → how its Pods are recognised. Pure.

import type { LocalDetector } from "../capture/local-detector.ts";
import type { DetectLocal } from "../config/config-file.ts";

/** A mode without addresses of Pods detects none. */
export function localDetectorFrom(mode: DetectLocal, podCIDRs: readonly string[]): LocalDetector {
  switch (mode.mode) {
    case "ClusterCIDR":
      return detectorOf(mode.cidrs);
    case "NodeCIDR":
      return detectorOf(podCIDRs);
    case "BridgeInterface":
      return { kind: "bridge", name: mode.interfaceName };
    case "InterfaceNamePrefix":
      return { kind: "prefix", prefix: mode.prefix };
  }
}

function detectorOf(cidrs: readonly string[]): LocalDetector {
  return cidrs.length === 0 ? { kind: "none" } : { kind: "cidrs", cidrs };
}
