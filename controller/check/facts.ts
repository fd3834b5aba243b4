// Everything that `portico check` reads from a node, and the settings that it compares with.
// read-node.ts reads it; the other files of this room, which are pure, judge it.

import type { BridgedNetwork } from "../capture/bridge-facts.ts";
import type { BridgeCapture } from "../capture/bridge-plan.ts";
import type { HookOrder } from "../capture/hook-order.ts";
import type { PolicyHook } from "../capture/options.ts";
import type { IPFamily } from "../model/types.ts";

export interface NodeFacts {
  /** Undefined: nft cannot be run. */
  nft: NftFacts | undefined;
  /** Why nft refused what Portico needs from the kernel, by feature; empty: it accepted all. */
  missingFeatures: readonly MissingFeature[];
  /** What iptables-save and its variants print, line by line. */
  xtables: readonly string[];
  /** Undefined: ip cannot be run. */
  links: readonly Link[] | undefined;
  /** Networks of bridges that do not call iptables. */
  unseenNetworks: readonly BridgedNetwork[];
  /** Undefined: not known, or not tried, as no bridge calls iptables. */
  hookOrder: HookOrder | undefined;
  routes: readonly Route[];
  rules: readonly Rule[];
  listeners: readonly Listener[];
  /** Names of the programs that run in this network namespace, as far as they can be seen. */
  processes: readonly string[];
  /** What /proxyMode of the metrics port says; undefined: nothing answers there. */
  proxyMode: string | undefined;
  /** Of IPVS; -1: the kernel has none loaded. */
  virtualServers: number;
  /** By name, such as "net.ipv4.ip_forward"; those that the kernel has. */
  sysctls: ReadonlyMap<string, string>;
  /** Hard limit of open files for a process that is started like this one. */
  descriptors: number;
  /** Whether a Portico process holds this node's lock. */
  porticoRuns: boolean;
  /** Families that the kernel can capture. */
  families: readonly IPFamily[];
  /** Names under which BPF programs and maps of others are pinned. */
  pinned: readonly string[];
}

export interface MissingFeature {
  /** For operators. */
  name: string;
  /** What to load or configure. */
  module: string;
  /** The error that nft printed. */
  said: string;
}

export interface NftFacts {
  /** "1.0.6"; empty when nft does not print it. */
  version: string;
  tables: readonly { family: string; name: string }[];
  chains: readonly Chain[];
  /** The values with which rules of others set or test marks, and where. */
  marks: readonly { value: number; where: string }[];
  /** The same for conntrack zones. */
  zones: readonly { value: number; where: string }[];
  /** Rules of others that drop what no route leads back to. */
  reversePathFilters: readonly ReversePathFilter[];
}

export interface ReversePathFilter {
  families: readonly IPFamily[];
  /** "inet firewalld filter_PREROUTING": family, table and name. */
  chain: string;
  hook: "prerouting" | "forward";
  /** It looks up the route with the packet's mark. */
  asksMark: boolean;
  /** The route must lead out by the interface where the packet came in. */
  asksInterface: boolean;
}

export interface Chain {
  /** "inet filter": family and name. */
  table: string;
  name: string;
  /** Undefined: not a base chain. */
  hook: string | undefined;
  policy: string | undefined;
  /** Whether a rule in it drops or rejects everything that reaches it. */
  endsInDrop: boolean;
}

export interface Link {
  name: string;
  /** "veth", "bridge", "dummy", …; empty for real ones. */
  kind: string;
  /** The bridge that it is a port of. */
  master: string | undefined;
  addresses: readonly string[];
}

export interface Route {
  family: IPFamily;
  /** A CIDR. */
  destination: string;
  /** Leads to addresses of the node itself, or to all addresses on a link. */
  isOwn: boolean;
  table: string;
  dev: string;
  protocol: string;
}

export interface Rule {
  family: IPFamily;
  priority: number;
  protocol: string;
  /** Undefined: it does not test the mark. */
  fwmark: { value: number; mask: number } | undefined;
  /** Whether it tests something other than the mark: an address, an interface, … */
  asksMore: boolean;
  /** Whether it applies to all packets except those that it names. */
  isInverted: boolean;
  /** Whether it does nothing. */
  isIdle: boolean;
  /** Empty where it leads to no table: it drops, or jumps to another rule. */
  table: string;
}

export interface Listener {
  protocol: "TCP" | "UDP";
  /** Canonical. */
  address: string;
  port: number;
}

/** What Portico would use: `portico run`'s flags. */
export interface CheckSettings {
  /** As a number, such as 0x1000. */
  markBit: number;
  /** More bits, which no flag changes. */
  fixedMarkBits: readonly number[];
  routeTable: number;
  rulePriority: number;
  zone: number;
  capturePorts: readonly number[];
  bridgeCapture: BridgeCapture;
  /** Used where TCP connections of Pods on bridges come by NAT. */
  redirectPorts: readonly number[];
  udpPort: number;
  /** Undefined: Portico is configured not to listen. */
  healthzPort: number | undefined;
  metricsPort: number | undefined;
  /** Canonical; empty when none is known. */
  serviceCIDRs: readonly string[];
  /** Of Pods; canonical, empty when none is known. */
  clusterCIDRs: readonly string[];
  masqueradeAll: boolean;
  /** What becomes of the scheduler of a configuration in mode ipvs; undefined in another mode. */
  ipvsScheduler?: string | undefined;
  policyHook: PolicyHook;
}
