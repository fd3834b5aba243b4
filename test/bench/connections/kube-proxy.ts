// kube-proxy as a peer: the kernel's destination NAT, with the rules of kube-proxy's nftables mode.
// It has no process that carries bytes.

import { rulesOfKubeProxy } from "../kube-proxy-rules.ts";
import type { Peer } from "./peer.ts";
import { BACKEND_PORT, FRONTEND, type Stand } from "./stand.ts";

export async function kubeProxyPeer(stand: Stand): Promise<Peer> {
  const rules = rulesOfKubeProxy({
    ...FRONTEND,
    protocol: "tcp",
    targetPort: BACKEND_PORT,
    backends: stand.backends.map(({ address }) => address),
  });
  await stand.node.exec("nft", ["-f", "-"], { input: rules });
  return { name: "kube-proxy", stand, target: FRONTEND, pid: undefined };
}
