// The names of peers → peers that serve, each on a stand of its own.

import { join, resolve } from "node:path";
import type { Balancing } from "../../../controller/model/types.ts";
import { DEFAULT_SETTINGS } from "../../../controller/node/frontend-settings.ts";
import type { FrontendSettings } from "../../../controller/node/types.ts";
import { DEFAULT_TCP_OPTIONS } from "../../../controller/xds/tcp-options.ts";
import type { LoadPrograms } from "../load/programs.ts";
import { plainEnvoyPeer } from "./envoy.ts";
import { haproxyPeer } from "./haproxy.ts";
import { kubeProxyPeer } from "./kube-proxy.ts";
import { type CheckoutPeer, type Peer, type PeerName, type PeerOptions, serving } from "./peer.ts";
import { porticoPeer } from "./portico.ts";
import { BACKEND_PORT, makeStand, type Stand } from "./stand.ts";

interface PeersOptions extends Omit<PeerOptions, "stand"> {
  programs: LoadPrograms;
}

/** The stand is closed again when the peer cannot be made. */
export async function makePeer(
  wanted: PeerName | CheckoutPeer,
  options: PeersOptions,
): Promise<Peer> {
  const stand = await makeStand(options.programs);
  try {
    const its = { ...options, stand };
    const peer = await (typeof wanted === "string"
      ? start(wanted, its)
      : fromCheckout(wanted, its));
    await serving(peer, options.programs);
    return peer;
  } catch (error) {
    await stand.cluster.close();
    throw error;
  }
}

export async function endPeer({ stand, stop }: Peer): Promise<void> {
  await stand.cluster.close();
  await stop?.();
}

async function start(name: PeerName, options: PeerOptions): Promise<Peer> {
  switch (name) {
    case "direct":
      return directPeer(options.stand);
    case "envoy":
      return plainEnvoyPeer(options, name);
    case "envoy-own-source":
      return plainEnvoyPeer(options, name, { keepsSource: false });
    case "envoy-empty-filter":
      return plainEnvoyPeer(options, name, { hasEmptyFilter: true });
    case "haproxy":
      return haproxyPeer(options);
    case "kube-proxy":
      return kubeProxyPeer(options.stand);
    case "portico":
      return porticoPeer(options, name);
    case "portico-uncounted":
      return porticoPeer(options, name, { plugin: ["stats=off"] });
    case "portico-one-attempt": {
      const tcp = { ...DEFAULT_TCP_OPTIONS, connectAttempts: 1, connectTimeoutMs: 10_000 };
      return porticoPeer(options, name, { plugin: ["attempt=0"], tcp });
    }
    case "portico-without-ejection":
      return porticoPeer(options, name, { defaults: { ...DEFAULT_SETTINGS, ejection: false } });
    case "portico-least-connections":
      return porticoPeer(options, name, { defaults: balanced("least-connections") });
    case "portico-round-robin":
      return porticoPeer(options, name, { defaults: balanced("round-robin") });
    case "portico-client-hash":
      return porticoPeer(options, name, { defaults: balanced("client-hash") });
    case "portico-backends":
      return porticoPeer(options, name, { plugin: ["stats=backend"] });
    case "portico-output":
      return porticoPeer(options, name, { capture: { policyHook: "output" } });
    case "portico-flow-log": {
      const file = join(options.directory, "flows.log");
      const flowLog = { file, sample: 1, services: [] };
      return porticoPeer(options, name, { plugin: ["names"], flowLog });
    }
  }
}

function balanced(balancing: Balancing): FrontendSettings {
  return { ...DEFAULT_SETTINGS, balancing };
}

/** The load and the stand are this checkout's; controller, plugin and rules are the other's. */
async function fromCheckout({ name, directory }: CheckoutPeer, options: PeerOptions) {
  const file = resolve(directory, "test/bench/connections/portico.ts");
  const other: { porticoPeer: typeof porticoPeer } = await import(file);
  return other.porticoPeer(options, name);
}

/** Pod to Pod, to one of the backends. */
function directPeer(stand: Stand): Peer {
  const target = { address: stand.backends[0].address, port: BACKEND_PORT };
  return { name: "direct", stand, target, pid: undefined };
}
