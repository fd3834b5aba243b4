// HAProxy as a peer: TPROXY in, a random backend, the client's address kept.

import { spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CAPTURE_PORTS } from "../kernel.ts";
import { captureOn } from "./capture.ts";
import { type Peer, type PeerOptions, startProxy } from "./peer.ts";
import { BACKEND_PORT, FRONTEND, type Stand } from "./stand.ts";

const HAPROXY = "haproxy";

/** What HAProxy says of its version; undefined when it is not installed. */
export function haproxyVersion(): string | undefined {
  const { status, stdout } = spawnSync(HAPROXY, ["-v"], { encoding: "utf8" });
  return status === 0 ? stdout.split("\n")[0] : undefined;
}

export async function haproxyPeer(options: PeerOptions): Promise<Peer> {
  const { stand, directory, workers, services } = options;
  const file = join(directory, "haproxy.cfg");
  await writeFile(file, configuration(stand, workers));
  await captureOn(stand, services);
  // -db: in the foreground, as one process.
  const pid = startProxy(stand, HAPROXY, ["-db", "-f", file]);
  return { name: "haproxy", stand, target: FRONTEND, pid };
}

function configuration(stand: Stand, workers: number): string {
  const servers = stand.backends.map(
    (pod, index) => `  server backend-${index + 1} ${pod.address}:${BACKEND_PORT}`,
  );
  return `global
  nbthread ${workers}
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  option splice-auto
frontend capture
  bind 127.0.0.1:${CAPTURE_PORTS.keep} transparent backlog 65535
  default_backend backends
backend backends
  balance random
  source 0.0.0.0 usesrc clientip
${servers.join("\n")}
`;
}
