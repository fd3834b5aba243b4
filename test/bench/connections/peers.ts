// The names of peers → peers that serve, each on a stand of its own.

import { join } from "node:path";
import type { LoadPrograms } from "../load/programs.ts";
import { plainEnvoyPeer } from "./envoy.ts";
import { haproxyPeer } from "./haproxy.ts";
import { type Peer, type PeerName, type PeerOptions, serving } from "./peer.ts";
import { porticoPeer } from "./portico.ts";
import { BACKEND_PORT, makeStand, type Stand } from "./stand.ts";

export interface PeersOptions extends Omit<PeerOptions, "stand"> {
  programs: LoadPrograms;
}

/** The stand is closed again when the peer cannot be made. */
export async function makePeer(name: PeerName, options: PeersOptions): Promise<Peer> {
  const stand = await makeStand(options.programs);
  try {
    const peer = await start(name, { ...options, stand });
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
      return plainEnvoyPeer(options, { keepsSource: true });
    case "envoy-own-source":
      return plainEnvoyPeer(options, { keepsSource: false });
    case "haproxy":
      return haproxyPeer(options);
    case "portico":
      return porticoPeer(options, name);
    case "portico-uncounted":
      return porticoPeer(options, name, { plugin: ["stats=off"] });
    case "portico-backends":
      return porticoPeer(options, name, { plugin: ["stats=backend"] });
    case "portico-flow-log": {
      const file = join(options.directory, "flows.log");
      const flowLog = { file, sample: 1, services: [] };
      return porticoPeer(options, name, { plugin: ["names"], flowLog });
    }
  }
}

/** Pod to Pod, to one of the backends. */
function directPeer(stand: Stand): Peer {
  const target = { address: stand.backends[0].address, port: BACKEND_PORT };
  return { name: "direct", stand, target, pid: undefined };
}
