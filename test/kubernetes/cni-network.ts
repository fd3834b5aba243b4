// The Pods' network as a container runtime has it made: the real CNI plugins `bridge` or `ptp`,
// then `portmap` and `firewall`, called as the CNI specification says, with the addresses that the
// lab has planned.

import { isIPv6 } from "node:net";
import { join } from "node:path";
import { preparePrograms } from "../demo/prerequisites.ts";
import type { ClusterNode, Pod } from "../namespaces/cluster.ts";
import type { PodNetwork } from "../namespaces/pod-network.ts";
import { goTools } from "./tool.ts";

export const BRIDGE = "cni0";

interface CniOptions {
  /** Pods that get a link of their own from `ptp`; they have to be of another prefix. */
  ptp?: readonly string[];
  /** Host ports → Pods by name, by `portmap`, to port 8080; TCP. */
  hostPorts?: Readonly<Record<number, string>>;
}

type PluginConfiguration = Readonly<Record<string, unknown>> & { type: string };

/** Builds the plugins if the cache has none; needs iptables, which it installs by apt. */
export async function cniNetwork(options: CniOptions = {}): Promise<PodNetwork> {
  await preparePrograms(console.log, { iptables: "iptables" });
  const directory = await goTools("cni");
  return {
    attach: async (node, pod) => {
      let prevResult: unknown;
      for (const plugin of chainFor(pod, options)) {
        const printed = await call({ directory, command: "ADD", node, pod, plugin, prevResult });
        prevResult = JSON.parse(printed);
      }
    },
    detach: async (node, pod) => {
      for (const plugin of chainFor(pod, options).reverse()) {
        await call({ directory, command: "DEL", node, pod, plugin, prevResult: undefined });
      }
    },
  };
}

function chainFor(pod: Pod, { ptp = [], hostPorts = {} }: CniOptions): PluginConfiguration[] {
  const ipam = { type: "static", addresses: pod.addresses.map(addressWithGateway) };
  const bridge = { bridge: BRIDGE, isGateway: true, isDefaultGateway: true, hairpinMode: true };
  const portMappings = Object.entries(hostPorts).flatMap(([hostPort, name]) => {
    if (name !== pod.label) return [];
    return [{ hostPort: Number(hostPort), containerPort: 8080, protocol: "tcp" }];
  });
  return [
    ptp.includes(pod.label)
      ? { type: "ptp", ipam: { ...ipam, routes: defaultRoutes(pod) } }
      : { type: "bridge", ...bridge, ipam },
    { type: "portmap", snat: true, runtimeConfig: { portMappings } },
    { type: "firewall" },
  ];
}

/** The Pods of a node are in one prefix, and the node has its first address. */
function addressWithGateway(address: string): { address: string; gateway: string } {
  const [separator, length] = isIPv6(address) ? ["::", 64] : [".", 24];
  const prefix = address.slice(0, address.lastIndexOf(separator) + separator.length);
  return { address: `${address}/${length}`, gateway: `${prefix}1` };
}

function defaultRoutes(pod: Pod): { dst: string }[] {
  return pod.addresses.map((address) => ({ dst: isIPv6(address) ? "::/0" : "0.0.0.0/0" }));
}

interface Call {
  directory: string;
  command: "ADD" | "DEL";
  node: ClusterNode;
  pod: Pod;
  plugin: PluginConfiguration;
  prevResult: unknown;
}

/** Returns the result that the plugin printed. */
async function call({ directory, command, node, pod, plugin, prevResult }: Call): Promise<string> {
  const configuration = { cniVersion: "1.0.0", name: "pods", ...plugin, prevResult };
  const { stdout } = await node.exec(join(directory, plugin.type), [], {
    input: JSON.stringify(configuration),
    env: {
      CNI_COMMAND: command,
      CNI_CONTAINERID: pod.name,
      CNI_NETNS: `/run/netns/${pod.name}`,
      CNI_IFNAME: "eth0",
      CNI_PATH: directory,
    },
  });
  return stdout;
}
