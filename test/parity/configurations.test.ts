// Settings that change what is done with connections, each given to kube-proxy and to Portico in
// the same KubeProxyConfiguration (one of them is Portico's alone: not to heal), compared on the
// states that they matter to.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BRIDGE, cniNetwork } from "../kubernetes/cni-network.ts";
import type { PodNetwork } from "../namespaces/pod-network.ts";
import { BothWorlds } from "./both-worlds.ts";
import { type ConfigurationChanges, NFTABLES } from "./configuration.ts";
import type { State } from "./state.ts";
import { GROUPS } from "./states/groups.ts";
import { COMPARED } from "./tags.ts";
import { Totals } from "./totals.ts";

interface Configuration {
  name: string;
  changes: ConfigurationChanges;
  groups: readonly string[];
  /** Makes the Pods' network; absent: the lab's own. */
  podNetwork?: () => Promise<PodNetwork>;
  /** As BothWorlds takes it. */
  heals?: boolean;
}

const SOURCES = ["cluster-ip", "hairpin", "external-policy", "external-ips"];
const CONFIGURATIONS: readonly Configuration[] = [
  {
    name: "masqueradeAll",
    changes: { nftables: { ...NFTABLES, masqueradeAll: true } },
    groups: [...SOURCES, "ipv6"],
  },
  {
    name: "local detection by the node's Pod CIDR",
    changes: { detectLocalMode: "NodeCIDR", clusterCIDR: "" },
    groups: [...SOURCES, "ipv6"],
  },
  {
    name: "local detection by the names of interfaces",
    changes: {
      detectLocalMode: "InterfaceNamePrefix",
      detectLocal: { interfaceNamePrefix: "veth" },
      clusterCIDR: "",
    },
    groups: SOURCES,
  },
  {
    name: "local detection by a bridge that no Pod is on",
    changes: {
      detectLocalMode: "BridgeInterface",
      detectLocal: { bridgeInterface: "cni0" },
      clusterCIDR: "",
    },
    groups: SOURCES,
  },
  {
    name: "no local detection",
    changes: { detectLocalMode: "ClusterCIDR", clusterCIDR: "" },
    groups: [...SOURCES, "load-balancers"],
  },
  {
    name: "node ports on every address",
    changes: { nodePortAddresses: ["0.0.0.0/0", "::/0"] },
    groups: ["node-ports", "ipv6", "udp"],
  },
  {
    name: "node ports on the second address alone",
    changes: { nodePortAddresses: ["192.0.2.96/27"] },
    groups: ["node-ports"],
  },
  {
    name: "Pods on a bridge",
    changes: {},
    groups: [...SOURCES, "ipv6", "node-ports", "udp"],
    podNetwork: cniNetwork,
  },
  {
    name: "Pods on a bridge, and local detection by it",
    changes: {
      detectLocalMode: "BridgeInterface",
      detectLocal: { bridgeInterface: BRIDGE },
      clusterCIDR: "",
    },
    groups: SOURCES,
    podNetwork: cniNetwork,
  },
  {
    name: "no healing: one attempt, no ejection",
    changes: {},
    groups: [...SOURCES, "ipv6", "conditions", "affinity"],
    heals: false,
  },
];

describe.each(CONFIGURATIONS)("$name", ({ name, changes, groups, podNetwork, heals = true }) => {
  let both: BothWorlds;
  const totals = new Totals();

  beforeAll(async () => {
    both = await BothWorlds.open(COMPARED, { changes, podNetwork: await podNetwork?.(), heals });
  }, 900_000); // the first run builds Kubernetes

  afterAll(async () => {
    await both?.close();
    console.log(`${name}: ${totals}`);
  });

  const states = groups.flatMap((group) => GROUPS[group] as readonly State[]);
  it.each(states.map((each) => [each.name, each] as const))("%s", async (_, each) => {
    const report = await both.comparison.run(each);
    totals.add(report);
    expect(report.differences).toEqual([]);
  });
});
