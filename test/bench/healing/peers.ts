// The proxies that are measured beside each other, by name: Portico with its settings, kube-proxy.

import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { KubeProxy } from "../latency/kube-proxy.ts";
import { COMMAND, Portico } from "../latency/portico.ts";
import type { ServiceProxy } from "../latency/service-proxy.ts";
import type { HealingWorld } from "./world.ts";

/** More flags of `portico run`. To add a peer: a line here. */
const PORTICO_FLAGS = {
  portico: [],
  "portico-without-ejection": ["--ejection", "off"],
  "portico-one-attempt": ["--connect-attempts", "1"],
} satisfies Record<string, readonly string[]>;

const KUBE_PROXY = "kube-proxy";
export const PEER_NAMES = [
  ...(Object.keys(PORTICO_FLAGS) as (keyof typeof PORTICO_FLAGS)[]),
  KUBE_PROXY,
] as const;
export type PeerName = keyof typeof PORTICO_FLAGS | typeof KUBE_PROXY;
export const DEFAULT_PEERS: readonly PeerName[] = ["portico", KUBE_PROXY];

export interface Peer {
  name: PeerName;
  proxy: ServiceProxy<HealingWorld>;
}

interface PeerParts {
  /** kube-proxy's path. */
  kubeProxy: string;
  kubeconfig: string;
  /** For folders with short paths. */
  directory: string;
}

export function makePeer(
  name: PeerName,
  world: HealingWorld,
  { kubeProxy, kubeconfig, directory }: PeerParts,
): Peer {
  if (name === KUBE_PROXY) return { name, proxy: new KubeProxy(world, kubeProxy, kubeconfig) };
  const proxy = new Portico(world, {
    name: "portico",
    command: COMMAND,
    directory: mkdtempSync(join(directory, "p")),
    kubeconfig,
    inspected: false,
    flags: PORTICO_FLAGS[name],
  });
  return { name, proxy };
}
