// Who reaches whom where Pods are on a bridge, and whom the backends see: one list, for networks
// that `ip` made (bridge.test.ts) and for those of the CNI plugins (test/cluster/cni.test.ts).

import { eventually } from "../eventually.ts";
import type { Namespace } from "../namespaces/namespace.ts";
import {
  type BridgeLab,
  callIptables,
  FAMILIES,
  type Family,
  PROTOCOLS,
  type Protocol,
  sh,
} from "./bridge-lab.ts";

const DEADLINE_MS = 30_000;

export const NO_SETTING = "this kernel has no bridge-nf-call-iptables";
export const KINDS = FAMILIES.flatMap((family) =>
  PROTOCOLS.map((protocol) => ({ family, protocol })),
);

/**
 * Sets the sysctls of both families; resolves once Portico's rules are made for that. False where
 * the kernel has no such setting.
 */
export async function callIptablesAndFollow(node: Namespace, value: 0 | 1): Promise<boolean> {
  if (!(await callIptables(node, value))) return false;
  for (const family of FAMILIES) await followed(node, family, value);
  return true;
}

/**
 * Nothing dials meanwhile: a connection that began between the change and the new rules waits for
 * its answer in vain, and so do later ones, since Envoy gives what connects first to who asked
 * first.
 */
export async function followed(
  node: Namespace,
  family: Family,
  value: 0 | 1,
  network = ".*",
): Promise<void> {
  const header = family === "IPv4" ? "ip" : "ip6";
  const rule = new RegExp(`oifname "cni0" ${header} saddr ${network} .* masquerade`);
  await eventually(`rules for ${family} with the sysctl at ${value}`, DEADLINE_MS, async () => {
    return rule.test(await sh(node, "nft list chain inet portico hairpin")) === (value === 0);
  });
}

/** Whom the backends see, by where the client and its backend are. */
export async function everyWay(
  lab: BridgeLab,
  family: Family,
  protocol: Protocol,
): Promise<Record<string, string>> {
  const node = lab.address("node", family);
  const port = (backend: "b" | "local") => lab.nodePort(backend, family, protocol);
  const ways = {
    "the same bridge": lab.ask("a", "b", family, protocol),
    "another node": lab.ask("a", "d", family, protocol),
    "a routed Pod": lab.ask("a", "routed", family, protocol),
    "from a routed Pod": lab.ask("routed", "b", family, protocol),
    "from a routed Pod, another node": lab.ask("routed", "d", family, protocol),
    "from the node": lab.ask("node", "b", family, protocol),
    "the Pod itself": lab.ask("a", "a", family, protocol),
    "a node port, from a Pod": lab.seen("a", node, port("b"), protocol),
    "a node port, from outside": lab.seen("outside", node, port("b"), protocol),
    "policy Local, from a Pod": lab.seen("a", node, port("local"), protocol),
    "policy Local, from outside": lab.seen("outside", node, port("local"), protocol),
    "not through a Service": lab.seen("a", lab.address("b", family), 8080, protocol),
    "not through a Service, another node": lab.seen(
      ...(["a", lab.address("d", family), 8080, protocol] as const),
    ),
  };
  const entries = Object.entries(ways).map(async ([way, seen]) => [way, await seen] as const);
  return Object.fromEntries(await Promise.all(entries));
}

/** `sameBridge`: whom a backend sees of a Pod of its own bridge. */
export function expectedWays(
  lab: BridgeLab,
  family: Family,
  sameBridge: "a" | "bridge",
): Record<string, string> {
  const [a, bridge, routed] = (["a", "bridge", "routed"] as const).map((name) =>
    lab.address(name, family),
  ) as [string, string, string];
  return {
    "the same bridge": lab.address(sameBridge, family),
    "another node": a,
    "a routed Pod": a,
    "from a routed Pod": routed,
    "from a routed Pod, another node": routed,
    "from the node": lab.address("node", family),
    "the Pod itself": bridge,
    "a node port, from a Pod": bridge,
    "a node port, from outside": bridge,
    "policy Local, from a Pod": lab.address(sameBridge, family),
    "policy Local, from outside": lab.address("outside", family),
    "not through a Service": a,
    "not through a Service, another node": a,
  };
}
