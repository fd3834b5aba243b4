// Two nodes, their Pods and a client outside; on node `a` the capture rules and an Envoy with fixed
// frontends. What the tests of the capture rules have in common.
//
//    node a: Pods client, web · host-network server on 9090    node b: Pod remote

import { KernelCapture } from "../../controller/capture/apply.ts";
import { DEFAULT_CAPTURE_OPTIONS } from "../../controller/capture/options.ts";
import { EMPTY_CAPTURE_SET } from "../../controller/node/capture-set.ts";
import type { CaptureSet, Verdict } from "../../controller/node/types.ts";
import { type Cluster, type ClusterNode, makeCluster } from "../namespaces/cluster.ts";
import type { Namespace } from "../namespaces/namespace.ts";
import { type FixedEnvoy, startEnvoy } from "./capture-envoy.ts";

export const VIP = {
  web: "10.96.0.10",
  empty: "10.96.0.11",
  own: "10.96.0.12",
  host: "10.96.0.13",
  remote: "10.96.0.14",
  unallocated: "10.96.7.7",
};

export interface CaptureLab {
  cluster: Cluster;
  node: ClusterNode;
  capture: KernelCapture;
  set: CaptureSet;
  envoy: FixedEnvoy;
}

export async function makeCaptureLab(): Promise<CaptureLab> {
  const cluster = await makeCluster({
    nodes: [
      { name: "a", pods: { client: "auto", web: "auto" } },
      { name: "b", pods: { remote: "auto" } },
    ],
  });
  try {
    const node = cluster.node("a");
    const remote = cluster.node("b").pod("remote");
    const [client, web] = [node.pod("client"), node.pod("web")];
    await Promise.all([
      ...[client, web, remote].map((pod) => pod.serve({ tcp: 8080 })),
      node.serve({ tcp: 9090, name: "host" }),
    ]);
    const set = captureSet(node);
    const capture = captureOn(node);
    await capture.full(set);
    const frontend = (address: string, ...backends: string[]) => ({ address, port: 80, backends });
    const nodePort = { address: node.address, port: 30080, backends: [`${web.address}:8080`] };
    const envoy = await startEnvoy(node, [
      frontend(VIP.web, `${web.address}:8080`, `${remote.address}:8080`),
      frontend(VIP.own, `${client.address}:8080`),
      frontend(VIP.host, `${node.address}:9090`),
      frontend(VIP.remote, `${remote.address}:8080`),
      nodePort,
    ]);
    return { cluster, node, capture, set, envoy };
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

/** A KernelCapture whose programs run in a node's namespace. */
export function captureOn(node: ClusterNode): KernelCapture {
  return new KernelCapture(DEFAULT_CAPTURE_OPTIONS, node.addresses, (program, args, input) =>
    node.exec(program, args, { input, allowFailure: true }),
  );
}

function captureSet(node: ClusterNode): CaptureSet {
  return {
    ...EMPTY_CAPTURE_SET,
    verdicts: new Map<string, Verdict>([
      [`${VIP.web}:80/TCP`, "keep"],
      [`${VIP.empty}:53/UDP`, "refuse"],
      [`${VIP.empty}:80/TCP`, "refuse"],
      [`${VIP.empty}:81/TCP`, "drop"],
      [`${VIP.own}:80/TCP`, "keep"],
      [`${VIP.host}:80/TCP`, "keep"],
      [`${VIP.remote}:80/TCP`, "keep"],
      [`${node.address}:30080/TCP`, "masquerade"],
      [`${node.address}:30081/TCP`, "refuse"],
    ]),
    clusterIPs: [VIP.web, VIP.empty, VIP.own, VIP.host, VIP.remote],
    serviceCIDRs: ["10.96.0.0/16"],
    localEndpoints: [node.pod("client").address, node.pod("web").address],
  };
}

const PING = `
import os, socket, struct, sys
def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    return ~(total + (total >> 16)) & 0xffff
body = struct.pack("!BBHHH", 8, 0, 0, os.getpid() & 0xffff, 1)
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
raw.settimeout(float(sys.argv[2]))
raw.sendto(body[:2] + struct.pack("!H", checksum(body)) + body[4:], (sys.argv[1], 0))
try:
    while True:
        kind = raw.recv(1500)[20]
        if kind in (0, 3): print({0: "answered", 3: "unreachable"}[kind]); break
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
