// An Envoy with a fixed configuration: one filter chain for each frontend, no plugin, no
// controller. It is what the capture rules hand connections to while they are tested alone.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findEnvoy } from "../../envoy/find.ts";
import type { Namespace } from "../namespaces/namespace.ts";

export interface FixedFrontend {
  address: string;
  port: number;
  /** "address:port" each. */
  backends: readonly string[];
}

export interface FixedEnvoy {
  /** Kills it, as a crash would. */
  kill(): Promise<void>;
}

const TYPE = "type.googleapis.com/envoy";

/** Starts Envoy in a node's namespace; resolves when it listens on both capture ports. */
export async function startEnvoy(
  node: Namespace,
  frontends: readonly FixedFrontend[],
): Promise<FixedEnvoy> {
  const directory = mkdtempSync(join(tmpdir(), "portico-capture-"));
  const file = join(directory, "envoy.json");
  writeFileSync(file, JSON.stringify(configuration(frontends)));
  const args = ["-c", file, "--concurrency", "2", "--use-dynamic-base-id", "--log-level", "error"];
  const envoy = await findEnvoy(process.env, () => {});
  const child = node.spawn(envoy, args, { stdio: "inherit" });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const deadline = Date.now() + 20_000;
  while (!(await listens(node))) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error("Envoy does not listen");
  }
  return {
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
      rmSync(directory, { recursive: true });
    },
  };
}

async function listens(node: Namespace): Promise<boolean> {
  const { stdout } = await node.exec("ss", ["-Hltn"]);
  return stdout.includes("0.0.0.0:15401") && stdout.includes("0.0.0.0:15402");
}

function configuration(frontends: readonly FixedFrontend[]): object {
  const keepSource = {
    name: "original_src",
    typed_config: {
      "@type": `${TYPE}.extensions.filters.listener.original_src.v3.OriginalSrc`,
    },
  };
  return {
    static_resources: {
      listeners: [
        listener("keep", 15401, frontends, [keepSource]),
        listener("masquerade", 15402, frontends, []),
      ],
      clusters: frontends.map(cluster),
    },
  };
}

function listener(
  name: string,
  port: number,
  frontends: readonly FixedFrontend[],
  listenerFilters: readonly object[],
): object {
  return {
    name,
    // As Portico's own: Envoy takes the address of a listener that is bound to a single one for
    // the address that was dialled.
    address: { socket_address: { address: "0.0.0.0", port_value: port } },
    transparent: true,
    listener_filters: listenerFilters,
    filter_chains: frontends.map((frontend) => ({
      filter_chain_match: {
        prefix_ranges: [{ address_prefix: frontend.address, prefix_len: 32 }],
        destination_port: frontend.port,
      },
      filters: [
        {
          name: "tcp_proxy",
          typed_config: {
            "@type": `${TYPE}.extensions.filters.network.tcp_proxy.v3.TcpProxy`,
            stat_prefix: name,
            cluster: clusterName(frontend),
          },
        },
      ],
    })),
  };
}

function cluster(frontend: FixedFrontend): object {
  const endpoints = frontend.backends.map((backend) => {
    const [address, port] = backend.split(":");
    return { endpoint: { address: { socket_address: { address, port_value: Number(port) } } } };
  });
  return {
    name: clusterName(frontend),
    type: "STATIC",
    connect_timeout: "2s",
    load_assignment: {
      cluster_name: clusterName(frontend),
      endpoints: [{ lb_endpoints: endpoints }],
    },
  };
}

function clusterName({ address, port }: FixedFrontend): string {
  return `${address}:${port}`;
}
