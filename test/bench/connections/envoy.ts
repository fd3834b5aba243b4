// Plain Envoy as a peer: Portico's own listener and cluster without the plugin, and with the two
// backends fixed in the configuration; so only the picking differs. Or the same with a filter that
// does nothing, in a VM.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Resource } from "../../../controller/xds/protos.ts";
import {
  backendsClusters,
  captureListeners,
  NETWORK_WASM_TYPE,
  proxyFilters,
} from "../../../controller/xds/resources.ts";
import { DEFAULT_TCP_OPTIONS } from "../../../controller/xds/tcp-options.ts";
import { CAPTURE_PORTS } from "../kernel.ts";
import { captureOn } from "./capture.ts";
import { EMPTY_MODULE } from "./empty-module.ts";
import { type Peer, type PeerOptions, startProxy } from "./peer.ts";
import { jsonOfResource } from "./resource-json.ts";
import { BACKEND_PORT, FRONTEND, type Stand } from "./stand.ts";

interface Variant {
  /** Keep the client's address towards the backends, or use the node's. */
  keepsSource?: boolean;
  hasEmptyFilter?: boolean;
}

export async function plainEnvoyPeer(
  options: PeerOptions,
  name: string,
  variant: Variant = {},
): Promise<Peer> {
  const { envoy, stand, directory, workers, services } = options;
  const file = join(directory, `${name}.json`);
  await writeFile(file, JSON.stringify(bootstrap(stand, variant)));
  await captureOn(stand, services);
  const pid = startProxy(stand, envoy, [
    ...["--config-path", file],
    ...["--concurrency", String(workers)],
    ...["--log-level", "error"],
    "--disable-hot-restart",
  ]);
  return { name, stand, target: FRONTEND, pid };
}

/** A listener for captured connections as Portico has it, with tcp_proxy for its last filter. */
function bootstrap(stand: Stand, { keepsSource = true, hasEmptyFilter = false }: Variant): object {
  const listener = jsonOfResource(
    captureListeners(CAPTURE_PORTS, ["IPv4"], DEFAULT_TCP_OPTIONS)[0] as Resource,
  );
  const { "@type": _, ...proxy } = jsonOfResource(proxyFilters(DEFAULT_TCP_OPTIONS)[0] as Resource);
  const plain = {
    ...listener,
    listener_filters: keepsSource ? listener.listener_filters : [],
    filter_chains: [{ filters: hasEmptyFilter ? [emptyFilter(), proxy] : [proxy] }],
  };
  return {
    node: { id: "bench", cluster: "bench" },
    static_resources: { listeners: [plain], clusters: [fixedCluster(stand)] },
    stats_flush_on_admin: true,
  };
}

function emptyFilter(): object {
  const code = { local: { inline_bytes: EMPTY_MODULE.toString("base64") } };
  const config = { vm_config: { runtime: "envoy.wasm.runtime.v8", code } };
  return { name: "empty", typed_config: { "@type": NETWORK_WASM_TYPE, config } };
}

function fixedCluster(stand: Stand): object {
  const { cleanup_interval: _, ...cluster } = jsonOfResource(
    backendsClusters({ tcp: DEFAULT_TCP_OPTIONS })[0] as Resource,
  );
  const endpoints = stand.backends.map(({ address }) => ({
    endpoint: { address: { socket_address: { address, port_value: BACKEND_PORT } } },
  }));
  return {
    ...cluster,
    type: "STATIC",
    lb_policy: "RANDOM",
    load_assignment: { cluster_name: cluster.name, endpoints: [{ lb_endpoints: endpoints }] },
  };
}
