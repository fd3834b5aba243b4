// All that `portico check` reads of a node, and what it is to be compared with. Read by
// read-node.ts; judged by the other files of this room, which are pure.

import type { BridgedNetwork } from "../capture/bridge-facts.ts";
import type { BridgeCapture } from "../capture/bridge-plan.ts";
import type { HookOrder } from "../capture/hook-order.ts";
import type { IPFamily } from "../model/types.ts";

export interface NodeFacts {
  /** Undefined: nft cannot be run. */
  nft: NftFacts | undefined;
  /** Why nft refused what Portico needs of the kernel, by feature; empty: it took everything. */
  missingFeatures: readonly MissingFeature[];
  /** What iptables-save and its variants print, line by line. */
  xtables: readonly string[];
  /** Undefined: ip cannot be run. */
  links: readonly Link[] | undefined;
  /** Networks of bridges that do not call iptables. */
  unseenNetworks: readonly BridgedNetwork[];
  /** Undefined: not known, or not asked, as no bridge calls iptables. */
  hookOrder: HookOrder | undefined;
  routes: readonly Route[];
  rules: readonly Rule[];
  listeners: readonly Listener[];
  /** Names of the programs that run in this network namespace, as far as they can be seen. */
  processes: readonly string[];
  /** What /proxyMode of the metrics port says; undefined: nobody answers there. */
  proxyMode: string | undefined;
  /** Of IPVS; -1: the kernel has none loaded. */
  virtualServers: number;
  /** By name, such as "net.ipv4.ip_forward"; those that the kernel has. */
  sysctls: ReadonlyMap<string, string>;
  /** Hard limit of open files of a process that is started like this one. */
  descriptors: number;
  /** Whether a Portico holds this node's lock. */
  porticoRuns: boolean;
  /** Families that the kernel can capture. */
  families: readonly IPFamily[];
  /** Names under which BPF programs and maps of others are pinned. */
  pinned: readonly string[];
}

export interface MissingFeature {
  /** For people. */
  name: string;
  /** What to load or configure. */
  module: string;
  /** As nft said it. */
  said: string;
}

export interface NftFacts {
  /** "1.0.6"; empty when it does not say. */
  version: string;
  tables: readonly { family: string; name: string }[];
  chains: readonly Chain[];
  /** Of rules of others: the values with which they set or ask marks, and where. */
  marks: readonly { value: number; where: string }[];
  /** The same for conntrack zones. */
  zones: readonly { value: number; where: string }[];
  /** Rules of others that drop what no route leads back to, and ask that with the packet's mark. */
  reversePathFilters: readonly { families: readonly IPFamily[]; chain: string }[];
}

export interface Chain {
  /** "inet filter": family and name. */
  table: string;
  name: string;
  /** Undefined: not a base chain. */
  hook: string | undefined;
  policy: string | undefined;
  /** Whether a rule in it ends with drop or reject for all that came so far. */
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
  /** Leads to addresses that the node itself has, or to all on a link. */
  isOwn: boolean;
  table: string;
  dev: string;
  protocol: string;
}

export interface Rule {
  family: IPFamily;
  priority: number;
  protocol: string;
  /** Undefined: it does not ask the mark. */
  fwmark: { value: number; mask: number } | undefined;
  /** Whether it asks for something else than the mark: an address, an interface, … */
  asksMore: boolean;
  /** Whether it is for all packets but those that it names. */
  isInverted: boolean;
  /** Whether it does nothing. */
  isIdle: boolean;
  /** Empty where it leads to no table: it drops, or goes on with another rule. */
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
  envoyMarkBit: number;
  routeTable: number;
  rulePriority: number;
  zone: number;
  capturePorts: readonly number[];
  bridgeCapture: BridgeCapture;
  /** Used where TCP connections of Pods on bridges come by NAT. */
  redirectPorts: readonly number[];
  udpPort: number;
  /** Undefined: Portico is told not to listen. */
  healthzPort: number | undefined;
  metricsPort: number | undefined;
  /** Canonical; empty when none is known. */
  serviceCIDRs: readonly string[];
  /** Of Pods; the same. */
  clusterCIDRs: readonly string[];
  masqueradeAll: boolean;
}
