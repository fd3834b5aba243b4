// What `portico check` reads of a node on which nothing is in the way, and Portico's
// default settings.

import type { CheckSettings, Link, NftFacts, NodeFacts } from "../../controller/check/facts.ts";

export const SETTINGS: CheckSettings = {
  markBit: 0x1000,
  fixedMarkBits: [0x40, 0x20, 0x10],
  routeTable: 4100,
  rulePriority: 1,
  zone: 4100,
  capturePorts: [15401, 15402, 15403, 15404],
  bridgeCapture: "auto",
  redirectPorts: [15405, 15406, 15407],
  udpPort: 15404,
  healthzPort: 10256,
  metricsPort: 10249,
  serviceCIDRs: ["10.96.0.0/16"],
  clusterCIDRs: ["10.1.0.0/16"],
  masqueradeAll: false,
  policyHook: "forward",
};
export const NFT: NftFacts = {
  version: "1.0.6",
  tables: [],
  chains: [],
  marks: [],
  zones: [],
  reversePathFilters: [],
};
export const ETH: Link = { name: "eth0", kind: "", master: undefined, addresses: ["192.0.2.1"] };
export const FACTS: NodeFacts = {
  nft: NFT,
  missingFeatures: [],
  xtables: [":KUBE-KUBELET-CANARY - [0:0]", "-A PREROUTING -j MARK --set-xmark 0x8000/0x8000"],
  links: [ETH],
  unseenNetworks: [],
  hookOrder: undefined,
  routes: [],
  rules: [],
  listeners: [],
  processes: ["kubelet"],
  proxyMode: undefined,
  virtualServers: -1,
  sysctls: new Map([
    ["net.ipv4.ip_forward", "1"],
    ["net.ipv4.ip_local_port_range", "32768\t60999"],
  ]),
  descriptors: 1_048_576,
  porticoRuns: false,
  families: ["IPv4", "IPv6"],
  pinned: [],
};
