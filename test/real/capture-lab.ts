// Two nodes, their Pods and a client outside, in both families; on node `a` the capture rules and
// an Envoy with fixed frontends. What the tests of the capture rules have in common.
//
//    node a: Pods client, web · host-network server on 9090    node b: Pod remote
//
// Outside and node b reach Services' addresses, and external ones, through node a.

import { KernelCapture } from "../../controller/capture/apply.ts";
import { EMPTY_KERNEL_TARGET, type KernelTarget } from "../../controller/capture/kernel-target.ts";
import { type CaptureOptions, DEFAULT_CAPTURE_OPTIONS } from "../../controller/capture/options.ts";
import { addressAndPort } from "../../controller/model/ip.ts";
import type { IPFamily } from "../../controller/model/types.ts";
import { type Cluster, type ClusterNode, makeCluster } from "../namespaces/cluster.ts";
import { ipBatch } from "../namespaces/command.ts";
import type { Namespace } from "../namespaces/namespace.ts";
import { looseReversePathOn } from "../namespaces/reverse-path.ts";
import { capturedFrontends } from "../stand-ins/captured.ts";
import { type FixedEnvoy, type FixedFrontend, startEnvoy } from "./capture-envoy.ts";

export const FAMILIES: readonly IPFamily[] = ["IPv4", "IPv6"];

const VIPS = ["web", "empty", "own", "host", "remote"] as const;

/** The addresses of one family. */
export interface Addresses extends Record<(typeof VIPS)[number], string> {
  node: string;
  /** What the node may have besides, and has not. */
  second: string;
  loopback: string;
  outside: string;
  /** Of Pods. */
  client: string;
  webPod: string;
  remotePod: string;
  /** In the Service CIDR, and nobody's. */
  unallocated: string;
  /** External IPs of policies Cluster and Local, and one that is nobody's. */
  external: string;
  externalLocal: string;
  elsewhere: string;
  serviceCIDR: string;
}

export interface CaptureLab {
  cluster: Cluster;
  node: ClusterNode;
  capture: KernelCapture;
  set: KernelTarget;
  envoy: FixedEnvoy;
  at: Record<IPFamily, Addresses>;
}

/** IPv4 addresses, for tests to which the family is nothing. */
export const VIP = {
  web: "10.96.0.10",
  empty: "10.96.0.11",
  own: "10.96.0.12",
  host: "10.96.0.13",
  remote: "10.96.0.14",
  unallocated: "10.96.7.7",
};

export async function makeCaptureLab(): Promise<CaptureLab> {
  const cluster = await makeCluster({
    nodes: [
      { name: "a", pods: { client: "auto", web: "auto" } },
      { name: "b", pods: { remote: "auto" } },
    ],
    dualStack: true,
  });
  try {
    const node = cluster.node("a");
    const remote = cluster.node("b").pod("remote");
    await Promise.all([cluster.outside, cluster.node("b")].map(routeThroughNodeA));
    await Promise.all([
      ...[node.pod("client"), node.pod("web"), remote].map((pod) => pod.serve({ tcp: 8080 })),
      node.serve({ tcp: 9090, name: "host" }),
    ]);
    const at = { IPv4: addressesIn(cluster, "IPv4"), IPv6: addressesIn(cluster, "IPv6") };
    const set = kernelTarget(Object.values(at));
    const capture = captureOn(node);
    await capture.full(set);
    const envoy = await startEnvoy(node, Object.values(at).flatMap(frontends));
    return { cluster, node, capture, set, envoy, at };
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

/** A KernelCapture whose programs run in a node's namespace. */
export function captureOn(node: ClusterNode, own: Partial<CaptureOptions> = {}): KernelCapture {
  const options = { ...DEFAULT_CAPTURE_OPTIONS, ...own };
  return new KernelCapture(
    options,
    (program, args, input) => node.exec(program, args, { input, allowFailure: true }),
    { looseReversePath: () => looseReversePathOn(node) },
  );
}

async function routeThroughNodeA(namespace: Namespace): Promise<void> {
  // What node a leaves alone goes on to the gateway, and it would say so.
  const script = 'for f in /proc/sys/net/ipv[46]/conf/*/accept_redirects; do echo 0 > "$f"; done';
  await namespace.exec("sh", ["-c", script]);
  const lines = ["10.96.0.0/16", "203.0.113.0/24"].map((cidr) => `route add ${cidr} via 192.0.2.1`);
  lines.push(
    ...["fd00:96::/112", "fd00:203::/64"].map((cidr) => `route add ${cidr} via fd00:2::1`),
  );
  await ipBatch(lines, namespace.name);
}

function addressesIn(cluster: Cluster, family: IPFamily): Addresses {
  const [service, external] =
    family === "IPv4" ? ["10.96.0.", "203.0.113."] : ["fd00:96::", "fd00:203::"];
  const of = ({ addresses }: { addresses: readonly string[] }) =>
    addresses[FAMILIES.indexOf(family)] as string;
  const node = cluster.node("a");
  return {
    node: of(node),
    second: family === "IPv4" ? "192.0.2.77" : "fd00:2::77",
    loopback: family === "IPv4" ? "127.0.0.1" : "::1",
    outside: family === "IPv4" ? "192.0.2.200" : "fd00:2::c8",
    client: of(node.pod("client")),
    webPod: of(node.pod("web")),
    remotePod: of(cluster.node("b").pod("remote")),
    web: `${service}10`,
    empty: `${service}11`,
    own: `${service}12`,
    host: `${service}13`,
    remote: `${service}14`,
    unallocated: `${service}77`,
    external: `${external}7`,
    externalLocal: `${external}8`,
    elsewhere: `${external}9`,
    serviceCIDR: family === "IPv4" ? "10.96.0.0/16" : "fd00:96::/112",
  };
}

function kernelTarget(families: readonly Addresses[]): KernelTarget {
  const frontends = families.flatMap((at) => [
    ...capturedFrontends({
      [`${addressAndPort(at.web, 80)}/TCP`]: "keep",
      [`${addressAndPort(at.empty, 53)}/UDP`]: "refuse",
      [`${addressAndPort(at.empty, 80)}/TCP`]: "refuse",
      [`${addressAndPort(at.empty, 81)}/TCP`]: "drop",
      [`${addressAndPort(at.own, 80)}/TCP`]: "keep",
      [`${addressAndPort(at.host, 80)}/TCP`]: "keep",
      [`${addressAndPort(at.remote, 80)}/TCP`]: "keep",
      [`${addressAndPort(at.node, 30080)}/TCP`]: "masquerade",
      [`${addressAndPort(at.node, 30081)}/TCP`]: "refuse",
    }),
    ...capturedFrontends(
      {
        [`${addressAndPort(at.external, 80)}/TCP`]: "masquerade",
        [`${addressAndPort(at.externalLocal, 80)}/TCP`]: "local",
        [`${addressAndPort(at.externalLocal, 81)}/TCP`]: "short-circuit",
      },
      { isExternal: true },
    ),
  ]);
  return {
    ...EMPTY_KERNEL_TARGET,
    frontends: new Map(frontends),
    clusterIPs: new Set(families.flatMap((at) => VIPS.map((name) => at[name]))),
    serviceCIDRs: new Set(families.map(({ serviceCIDR }) => serviceCIDR)),
    localBackendAddresses: new Set(families.flatMap(({ client, webPod }) => [client, webPod])),
  };
}

function frontends(at: Addresses): FixedFrontend[] {
  const [web, remote] = [addressAndPort(at.webPod, 8080), addressAndPort(at.remotePod, 8080)];
  const own = addressAndPort(at.client, 8080);
  const local = { address: at.externalLocal, backends: [web, remote], localBackends: [web] };
  return [
    { address: at.web, port: 80, backends: [web, remote] },
    { address: at.own, port: 80, backends: [own] },
    { address: at.host, port: 80, backends: [addressAndPort(at.node, 9090)] },
    { address: at.remote, port: 80, backends: [remote] },
    { address: at.node, port: 30080, backends: [web] },
    { address: at.loopback, port: 30080, backends: [web] },
    { address: at.external, port: 80, backends: [web] },
    { ...local, port: 80 },
    { ...local, port: 81 },
  ];
}

const PING = `
import os, socket, struct, sys
six = ":" in sys.argv[1]
def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    return ~(total + (total >> 16)) & 0xffff
body = struct.pack("!BBHHH", 128 if six else 8, 0, 0, os.getpid() & 0xffff, 1)
family = socket.AF_INET6 if six else socket.AF_INET
raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
raw.settimeout(float(sys.argv[2]))
try: raw.sendto(body[:2] + struct.pack("!H", checksum(body)) + body[4:], (sys.argv[1], 0))
except PermissionError: print("unreachable"); sys.exit() # refused before it left
said = {129: "answered", 1: "unreachable"} if six else {0: "answered", 3: "unreachable"}
try:
    while True:
        kind = raw.recv(1500)[0 if six else 20]
        if kind in said: print(said[kind]); break
except socket.timeout: print("silence")
`;

/** Sends one ICMP echo request. */
export async function ping(
  from: Namespace,
  address: string,
  timeoutSeconds = 1,
): Promise<"answered" | "unreachable" | "silence"> {
  const args = ["-c", PING, address, String(timeoutSeconds)];
  const { stdout } = await from.exec("python3", args);
  return stdout.trim() as "answered" | "unreachable" | "silence";
}
