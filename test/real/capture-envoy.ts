// An Envoy with a fixed configuration: one filter chain for each frontend, no plugin, no
// controller. It is what the capture rules hand connections to while they are tested alone.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findEnvoy } from "../../envoy/find.ts";
import { partsOf } from "../cases/topology.ts";
import type { Namespace } from "../namespaces/namespace.ts";

export interface FixedFrontend {
  address: string;
  port: number;
  /** "address:port" or "[address]:port" each. */
  backends: readonly string[];
  /** For the listener of local lists, which does not have the frontend when absent. */
  localBackends?: readonly string[];
}

export interface FixedEnvoy {
  /** Kills it, as a crash would. */
  kill(): Promise<void>;
}

const TYPE = "type.googleapis.com/envoy";

/** Starts Envoy in a node's namespace; resolves when it listens on all capture ports. */
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
  return LISTENERS.every(({ port }) =>
    WILDCARDS.every((address) => stdout.includes(`${address}:${port} `)),
  );
}

const WILDCARDS = ["0.0.0.0", "[::]"];
const LISTENERS = [
  { name: "keep", port: 15401, keepsSource: true },
  { name: "host", port: 15402, keepsSource: false },
  { name: "local", port: 15403, keepsSource: true },
  { name: "masquerade", port: 15404, keepsSource: true },
] as const;

function configuration(frontends: readonly FixedFrontend[]): object {
  const local = frontends.flatMap(({ localBackends, ...frontend }) =>
    localBackends === undefined ? [] : [{ ...frontend, backends: localBackends }],
  );
  const listeners = LISTENERS.flatMap((each) => {
    const served = each.name === "local" ? local : frontends;
    return WILDCARDS.map((address) => listener(each, address, served));
  });
  const clusters = [
    ...frontends.flatMap((frontend) => [
      cluster(frontend, "keep"),
      cluster(frontend, "masquerade"),
    ]),
    ...local.map((frontend) => cluster(frontend, "local")),
  ];
  return { static_resources: { listeners, clusters } };
}

function listener(
  { name, port, keepsSource }: (typeof LISTENERS)[number],
  address: string,
  frontends: readonly FixedFrontend[],
): object {
  const isIPv6 = address === "[::]";
  const served = frontends.filter((frontend) => frontend.address.includes(":") === isIPv6);
  return {
    name: `${name} ${address}`,
    // As Portico's own: Envoy takes the address of a listener that is bound to a single one for
    // the address that was dialled.
    address: { socket_address: { address: isIPv6 ? "::" : address, port_value: port } },
    transparent: true,
    listener_filters: keepsSource ? [KEEP_SOURCE] : [],
    filter_chains: served.map((frontend) => filterChain(frontend, name)),
  };
}

const KEEP_SOURCE = {
  name: "original_src",
  typed_config: { "@type": `${TYPE}.extensions.filters.listener.original_src.v3.OriginalSrc` },
};

function filterChain(frontend: FixedFrontend, listenerName: string): object {
  const bits = frontend.address.includes(":") ? 128 : 32;
  const config = {
    "@type": `${TYPE}.extensions.filters.network.tcp_proxy.v3.TcpProxy`,
    stat_prefix: listenerName,
    cluster: clusterName(frontend, listenerName),
  };
  return {
    filter_chain_match: {
      prefix_ranges: [{ address_prefix: frontend.address, prefix_len: bits }],
      destination_port: frontend.port,
    },
    filters: [{ name: "tcp_proxy", typed_config: config }],
  };
}

function cluster(frontend: FixedFrontend, listenerName: string): object {
  const name = clusterName(frontend, listenerName);
  const endpoints = frontend.backends.map((backend) => {
    const { address, port } = partsOf(backend);
    return { endpoint: { address: { socket_address: { address, port_value: port } } } };
  });
  return {
    name,
    type: "STATIC",
    connect_timeout: "2s",
    ...(listenerName === "masquerade" && { upstream_bind_config: { socket_options: [MARK] } }),
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: endpoints }] },
  };
}

/** SO_MARK, as of connections that the kernel is to masquerade. */
const MARK = { level: 1, name: 36, int_value: 0x60, state: "STATE_PREBIND" };

function clusterName({ address, port }: FixedFrontend, listenerName: string): string {
  return `${address} ${port} ${listenerName === "host" ? "keep" : listenerName}`;
}
