// What of the kernel's is Portico's: the numbers an operator may change because somebody else on
// the node uses them too.

import type { IPFamily } from "../model/types.ts";
import type { UdpListenerKind } from "../node/types.ts";
import type { BridgeFacts } from "./bridge-facts.ts";
import type { LocalDetector } from "./local-detector.ts";

export interface CaptureOptions {
  /**
   * The one bit of the packet mark, and of the connection mark, that Portico sets and reads; the
   * others stay as they are.
   */
  markBit: number;
  /**
   * The one bit of the packet mark that Envoy's connections to backends carry, so that they are not
   * captured: a Service whose endpoint is the front door of one would call itself for ever. Not
   * 0x2000, which the CNI plugin portmap masquerades by, nor 0x4000 and 0x8000, kube-proxy's.
   */
  envoyMarkBit: number;
  /** The routing table that says: everything is local. */
  routeTable: number;
  /**
   * Of the rules that lead to it, before 32766. Rules of others that come first could take what
   * Envoy is to get.
   */
  rulePriority: number;
  /** Where Envoy listens for connections whose source address it keeps. */
  keepPort: number;
  /** The same for connections that it makes from the node's own address. */
  masqueradePort: number;
  /** For connections that go to local backends only, and keep their source address. */
  localPort: number;
  /**
   * Where NAT leads TCP connections of Pods on bridges that call iptables (bridge-redirect.ts);
   * undefined where the kernel's order of hooks is relied on, and tproxy does.
   */
  redirectPorts: Readonly<Record<UdpListenerKind, number>> | undefined;
  /** Capture ports of another Envoy on this node, which nobody dials directly either. */
  otherCapturePorts: readonly number[];
  /** Where all of Envoy's UDP listeners are, each at an address of its own. */
  udpPort: number;
  /** The node's ip_local_port_range, both included: what Envoy asks UDP backends from. */
  localPorts: { first: number; last: number };
  /** Whether Pods of this node are masqueraded too when they dial cluster IPs. */
  masqueradeAll: boolean;
  localDetector: LocalDetector;
  /** The families that the kernel has: see capturedFamilies. Elements of others are left out. */
  families: readonly IPFamily[];
  /** What the node's bridges are like. KernelCapture looks itself. */
  bridges: BridgeFacts;
}

export const DEFAULT_CAPTURE_OPTIONS: CaptureOptions = {
  markBit: 0x1000,
  envoyMarkBit: 0x40,
  routeTable: 4100,
  rulePriority: 1,
  keepPort: 15401,
  masqueradePort: 15402,
  localPort: 15403,
  redirectPorts: undefined,
  otherCapturePorts: [],
  udpPort: 15404,
  localPorts: { first: 32768, last: 60999 },
  masqueradeAll: false,
  localDetector: { kind: "none" },
  families: ["IPv4", "IPv6"],
  bridges: { hasNetfilter: true, calling: ["IPv4", "IPv6"], unseen: [] },
};
