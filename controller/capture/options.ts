// What the rules depend on: numbers that an operator may change because other programs on the node
// use them too, facts of the node, and settings. Filled by captureOptions in plane/envoy-plane.ts.

import type { IPFamily } from "../model/types.ts";
import type { ListenerKind } from "../node/hand-over.ts";
import type { BridgeFacts } from "./bridge-facts.ts";
import type { LocalDetector } from "./local-detector.ts";

/**
 *    forward   in the forward hook, as with kube-proxy: policy-hook.ts
 *    output    in the output hook, like connections of the node's own processes
 */
export const POLICY_HOOKS = ["forward", "output"] as const;
export type PolicyHook = (typeof POLICY_HOOKS)[number];

export interface CaptureOptions {
  /**
   * The one bit of the packet mark, and of the connection mark, that Portico sets and reads; it
   * leaves the others alone.
   */
  markBit: number;
  /**
   * The one bit of the packet mark that Envoy's connections to backends carry, so that they are not
   * captured: a Service whose endpoint is a Service's frontend could call itself without end. Not
   * 0x2000, which the CNI plugin portmap uses for masquerading, nor 0x4000 and 0x8000, which are
   * kube-proxy's.
   */
  envoyMarkBit: number;
  /**
   * With envoyMarkBit, on what Envoy sends in the name of clients that need masquerading: the
   * kernel masquerades on the way out, so that the rules of others see the client. On the
   * connection it goes with markBit. Not 0x80, which the AWS VPC CNI uses.
   */
  masqueradeMarkBit: number;
  /**
   * With envoyMarkBit: the packet takes the links by which the node forwards it (policy-hook.ts).
   */
  forwardMarkBit: number;
  /** The routing table in which everything is local. The next one leads to those links. */
  routeTable: number;
  /**
   * Of the rules that lead to it, before 32766. Rules of others that come first could divert what
   * Envoy should get.
   */
  rulePriority: number;
  /** Where Envoy listens for connections whose source address it keeps. */
  keepPort: number;
  /** The same for connections of the host itself, which it makes from the node's address. */
  hostPort: number;
  /** The same for connections that it has the kernel masquerade. */
  masqueradePort: number;
  /** For connections that go to local backends only, and keep their source address. */
  localPort: number;
  /**
   * Where NAT leads TCP connections of Pods on bridges that call iptables (bridge-redirect.ts);
   * undefined where the rules rely on the kernel's order of hooks, and tproxy leads them.
   */
  redirectPorts: Readonly<Record<ListenerKind, number>> | undefined;
  /** Capture ports of another Envoy on this node, which no client may dial directly either. */
  otherCapturePorts: readonly number[];
  /** Where all of Envoy's UDP listeners are, each at an address of its own. */
  udpPort: number;
  /** The node's ip_local_port_range, both included: Envoy asks UDP backends from these. */
  localPorts: { first: number; last: number };
  /** The hook in which rules of others first see Envoy's connections to backends. */
  policyHook: PolicyHook;
  /** The families that the node forwards. KernelCapture reads this itself. */
  forwarding: readonly IPFamily[];
  /** Whether Pods of this node are also masqueraded when they dial cluster IPs. */
  masqueradeAll: boolean;
  localDetector: LocalDetector;
  /** The families that the kernel has (system/ip-families.ts). Elements of others are left out. */
  families: readonly IPFamily[];
  /** Facts of the node's bridges. KernelCapture reads them itself. */
  bridges: BridgeFacts;
}

export const DEFAULT_CAPTURE_OPTIONS: CaptureOptions = {
  markBit: 0x1000,
  envoyMarkBit: 0x40,
  masqueradeMarkBit: 0x20,
  forwardMarkBit: 0x10,
  routeTable: 4100,
  rulePriority: 1,
  keepPort: 15401,
  hostPort: 15402,
  masqueradePort: 15404,
  localPort: 15403,
  redirectPorts: undefined,
  otherCapturePorts: [],
  udpPort: 15404,
  localPorts: { first: 32768, last: 60999 },
  policyHook: "forward",
  forwarding: ["IPv4", "IPv6"],
  masqueradeAll: false,
  localDetector: { kind: "none" },
  families: ["IPv4", "IPv6"],
  bridges: { hasNetfilter: true, calling: ["IPv4", "IPv6"], unseen: [] },
};

/** Bits of the packet mark that no flag changes, so --mark-bit must not be one of them. */
export const FIXED_MARK_BITS: readonly number[] = [
  DEFAULT_CAPTURE_OPTIONS.envoyMarkBit,
  DEFAULT_CAPTURE_OPTIONS.masqueradeMarkBit,
  DEFAULT_CAPTURE_OPTIONS.forwardMarkBit,
];
