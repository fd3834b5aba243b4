// Ways for a Pod's queries to get to two backends behind one address, each on a node of its own:
//
//    direct       none: the client asks one of the backends
//    kube-proxy   the kernel's destination NAT, with the rules of kube-proxy's nftables mode
//    portico      Envoy
//
// To add one: a name here, and its place in makePeer.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ClusterState } from "../../../controller/model/cluster-state.ts";
import { endpointSliceFromObject } from "../../../controller/model/from-endpoint-slice.ts";
import { nodeFromObject } from "../../../controller/model/from-node.ts";
import { serviceFromObject } from "../../../controller/model/from-service.ts";
import { serviceCIDRFromObject } from "../../../controller/model/from-service-cidr.ts";
import { type Cluster, type ClusterNode, makeNode, type Pod } from "../../namespaces/cluster.ts";
import { rulesOfKubeProxy } from "../kube-proxy-rules.ts";
import { PorticoNode } from "../portico-node.ts";
import { nodeObject, serviceCIDRObject } from "../synthetic-cluster.ts";
import { startBackend } from "./load.ts";

export const UDP_PEERS = ["direct", "kube-proxy", "portico"] as const;
export type UdpPeerName = (typeof UDP_PEERS)[number];

const BACKEND_PORT = 5353;
/** Port 53: Portico's flows end as those of DNS clients do. */
const FRONTEND = { address: "10.96.0.10", port: 53 };

export interface UdpPeer {
  name: UdpPeerName;
  client: Pod;
  target: { address: string; port: number };
  /** Of the backends. */
  backends: readonly number[];
  /** Of the proxy; undefined where there is none. */
  proxy: number | undefined;
  close(): Promise<void>;
}

interface UdpPeerOptions {
  program: string;
  /** The program. */
  envoy: string;
  workers: number;
}

export async function makePeer(name: UdpPeerName, options: UdpPeerOptions): Promise<UdpPeer> {
  const pods = { client: "auto", "backend-1": "auto", "backend-2": "auto" } as const;
  const { cluster, node } = await makeNode({ name: "node", pods });
  try {
    const backends = [node.pod("backend-1"), node.pod("backend-2")];
    const start = (pod: Pod) => startBackend(options.program, pod, BACKEND_PORT);
    const pids = await Promise.all(backends.map(start));
    const common = { name, client: node.pod("client"), backends: pids };
    return { ...common, ...(await wayOf(name, options, cluster, node, backends)) };
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

type Way = Pick<UdpPeer, "target" | "proxy" | "close">;

async function wayOf(
  name: UdpPeerName,
  options: UdpPeerOptions,
  cluster: Cluster,
  node: ClusterNode,
  backends: readonly Pod[],
): Promise<Way> {
  const close = () => cluster.close();
  const [first] = backends;
  if (name === "direct" && first) {
    return { target: { address: first.address, port: BACKEND_PORT }, proxy: undefined, close };
  }
  if (name === "kube-proxy") {
    const addresses = backends.map(({ address }) => address);
    const rules = rulesOfKubeProxy({
      ...FRONTEND,
      protocol: "udp",
      targetPort: BACKEND_PORT,
      backends: addresses,
    });
    await node.exec("nft", ["-f", "-"], { input: rules });
    return { target: FRONTEND, proxy: undefined, close };
  }
  const directory = await mkdtemp(join(tmpdir(), "portico-bench-"));
  const state = stateOf(backends);
  const portico = await PorticoNode.start({ ...options, node, state, runDirectory: directory });
  await portico.sync();
  return {
    target: FRONTEND,
    proxy: portico.pid,
    close: async () => {
      await cluster.close();
      await portico.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function stateOf(backends: readonly Pod[]): ClusterState {
  const metadata = { namespace: "kube-system", name: "kube-dns" };
  const { address, port } = FRONTEND;
  const service = serviceFromObject({
    metadata,
    spec: {
      clusterIP: address,
      clusterIPs: [address],
      ports: [{ name: "dns", protocol: "UDP", port }],
    },
  });
  const slice = endpointSliceFromObject({
    metadata: { ...metadata, labels: { "kubernetes.io/service-name": metadata.name } },
    addressType: "IPv4",
    ports: [{ name: "dns", protocol: "UDP", port: BACKEND_PORT }],
    endpoints: backends.map((pod) => ({ addresses: [pod.address] })),
  });
  const state = new ClusterState();
  state.replaceAll("Node", [parsed(nodeFromObject(nodeObject()))]);
  state.replaceAll("ServiceCIDR", [parsed(serviceCIDRFromObject(serviceCIDRObject()))]);
  state.replaceAll("Service", [parsed(service)]);
  state.replaceAll("EndpointSlice", [parsed(slice)]);
  return state;
}

function parsed<T>({ value }: { value?: T | undefined }): T {
  if (value === undefined) throw new Error("an object of the bench is not one");
  return value;
}
