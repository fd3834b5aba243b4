// How a client is recognised as a Pod of this node: kube-proxy's detectLocalMode.

export type LocalDetector =
  /** It is not: every client but the host itself counts as outside, and none as not local. */
  | { kind: "none" }
  /** By its address; canonical CIDRs. A family that has none here is detected as by "none". */
  | { kind: "cidrs"; cidrs: readonly string[] }
  /** By the interface that its packets come in by: of this name, or of names that begin so. */
  | { kind: "bridge"; name: string }
  | { kind: "prefix"; prefix: string };
