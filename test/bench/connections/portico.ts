// Portico as a peer: the real Envoy, plugin, resources and kernel rules, with a table in which the
// frontend that is dialled is one of many.

import { join } from "node:path";
import { type PorticoExtras, PorticoNode } from "../portico-node.ts";
import { stateOf } from "./capture.ts";
import type { Peer, PeerOptions } from "./peer.ts";
import { FRONTEND } from "./stand.ts";

/** `extras`: with what its plugin and its listeners are told otherwise. */
export async function porticoPeer(
  options: PeerOptions,
  name: string,
  extras: PorticoExtras = {},
): Promise<Peer> {
  const { stand, directory, services } = options;
  const portico = await PorticoNode.start({
    ...options,
    node: stand.node,
    state: stateOf(stand, services),
    runDirectory: join(directory, name),
    extras,
  });
  await portico.sync();
  const stop = () => portico.stop();
  return { name, stand, target: FRONTEND, pid: portico.pid, stop };
}
