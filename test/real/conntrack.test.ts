// The sysctls of connection tracking, as kube-proxy sets them, in the network namespace of a node;
// the limit of entries is the machine's and cannot be set there.

import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import { nodeObject, PorticoProcess } from "./portico-fixture.ts";

/** The kernel's own. */
const KERNEL = { tcp_timeout_established: 432_000, tcp_timeout_close_wait: 60, udp_timeout: 30 };
type Name = keyof typeof KERNEL;

let cluster: Cluster;
let node: ClusterNode;
let portico: PorticoProcess;
beforeAll(async () => {
  ({ cluster, node } = await makeNode({ name: "node-1" }));
  portico = new PorticoProcess(node);
  portico.write([nodeObject("node-1", node.address)]);
});
afterAll(async () => {
  await portico?.close();
  await cluster?.close();
});
beforeEach(async () => {
  await portico.end("SIGTERM");
  for (const [name, value] of Object.entries(KERNEL)) {
    await node.exec("sysctl", ["-qw", `net.netfilter.nf_conntrack_${name}=${value}`]);
  }
});

async function present(): Promise<Record<string, number>> {
  const values = Object.keys(KERNEL).map(async (name) => {
    const { stdout } = await node.exec("sysctl", ["-n", `net.netfilter.nf_conntrack_${name}`]);
    return [name as Name, Number(stdout)] as const;
  });
  return Object.fromEntries(await Promise.all(values));
}

async function start(...args: string[]): Promise<void> {
  await portico.start(args);
  await portico.synced(30_000);
}

const OF_KUBE_PROXY = {
  ...KERNEL,
  tcp_timeout_established: 86_400,
  tcp_timeout_close_wait: 3_600,
};

it("has kube-proxy's timeouts, and cleanup leaves them", async () => {
  await start();
  expect(await present()).toEqual(OF_KUBE_PROXY);
  await portico.end("SIGTERM");
  expect(await portico.command("cleanup")).toMatchObject({ code: 0 });
  expect(await present()).toEqual(OF_KUBE_PROXY);
});

it("has what the flags say, goes on where the limit cannot be set, and says so", async () => {
  const timeouts = [
    ...["--conntrack-tcp-timeout-established", "0s", "--conntrack-udp-timeout", "45s"],
    ...["--conntrack-tcp-timeout-close-wait", "2m"],
  ];
  await start(...timeouts, "--conntrack-min", "1000000000");
  const others = { tcp_timeout_close_wait: 120, udp_timeout: 45 };
  expect(await present()).toEqual({ ...KERNEL, ...others });
  expect(portico.log).toMatch(/cannot set \S+nf_conntrack_max from \d+ to 2000000000 \(EACCES/);
  expect(portico.log).toContain("sysctl -w net.netfilter.nf_conntrack_max=2000000000");
});

it("`portico sysctl` sets them for a container, and only reports what it cannot set", async () => {
  const flags = ["--conntrack-udp-timeout", "50s", "--conntrack-min", "1000000000"];
  const { code, stdout, stderr } = await portico.command("sysctl", ...flags);
  expect(stdout).toContain("set net.netfilter.nf_conntrack_udp_timeout = 50\n");
  expect(stderr).toContain("cannot set net.netfilter.nf_conntrack_max");
  expect(code).toBe(0);
  expect(await present()).toEqual({ ...OF_KUBE_PROXY, udp_timeout: 50 });
});
