// Portico as a peer: the real Envoy, plugin, resources and kernel rules, with a table in which the
// frontend that is dialled is one of many.

import { join } from "node:path";
import { PorticoNode } from "../portico-node.ts";
import { stateOf } from "./capture.ts";
import type { Peer, PeerOptions } from "./peer.ts";
import { FRONTEND } from "./stand.ts";

export async function porticoPeer(options: PeerOptions): Promise<Peer> {
  const { stand, directory, services } = options;
  const portico = await PorticoNode.start({
    ...options,
    node: stand.node,
    state: stateOf(stand, services),
    runDirectory: join(directory, "portico"),
  });
  await portico.sync();
  const stop = () => portico.stop();
  return { name: "portico", stand, target: FRONTEND, pid: portico.pid, stop };
}
