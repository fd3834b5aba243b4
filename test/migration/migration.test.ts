// deploy/MIGRATION.md, run step by step under traffic: nothing is refused, nothing waits in vain,
// and what is open stays open, but for what the page says ends.

import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { preparePrograms } from "../demo/prerequisites.ts";
import { eventually } from "../eventually.ts";
import { cniNetwork } from "../kubernetes/cni-network.ts";
import type { HeldConnection } from "../namespaces/dialer.ts";
import type { PodNetwork } from "../namespaces/pod-network.ts";
import { shortenUdpTimeouts } from "../namespaces/udp-timeouts.ts";
import { notEmpty } from "../not-empty.ts";
import { MigratingNode, type Mode, WEB } from "./migrating-node.ts";
import { Streams } from "./streams.ts";

const LAG_MS = 60_000;
/** Of each door, in each state of the node. */
const TRIES = 20;
/** Seconds; 120 by default, for which the drain would wait. */
const UDP_TIMEOUT = 3;
const ANSWERED = ["answered"];
const HEALTH_CHECK_NODE_PORT = 32_001;
const STATUS = "fetch(process.argv[1]).then(({ status }) => console.log(status))";

interface Start {
  mode: Mode;
  /** What makes the Pods' network; absent: the lab's own. */
  podNetwork?: () => Promise<PodNetwork>;
}

describe.each<[string, Start]>([
  ["in nftables mode", { mode: "nftables" }],
  ["in iptables mode", { mode: "iptables" }],
  ["in nftables mode, Pods on a bridge", { mode: "nftables", podNetwork: cniNetwork }],
])("from kube-proxy %s, and back", (_, { mode, podNetwork }) => {
  let node: MigratingNode;
  let streams: Streams;
  const held = new Map<string, HeldConnection[]>();
  let clusterIP: string;
  let nodePort: number;

  beforeAll(async () => {
    await preparePrograms(console.log, { conntrack: "conntrack", iptables: "iptables" });
    node = await MigratingNode.make(mode, await podNetwork?.());
    const emptyIP = await createServices();
    const six = await createServiceInIPv6();
    await node.startUnit("kube-proxy");
    const [pod, host, outside] = await dialers();
    await eventually("kube-proxy serves", LAG_MS, async () => {
      node.assertRunning("kube-proxy");
      const dialed = [
        await pod.dialOnce(clusterIP, 80),
        await outside.dialOnce(node.node.address, nodePort),
        await pod.dialOnce(clusterIP, 53, { protocol: "UDP" }),
        await pod.dialOnce(six, 80),
      ];
      return dialed.every(({ outcome }) => outcome === "answered");
    });
    const udp = { address: clusterIP, port: 53, protocol: "UDP" } as const;
    streams = new Streams({
      "a Pod": { from: pod, address: clusterIP, port: 80 },
      "a host process": { from: host, address: clusterIP, port: 80 },
      "a Pod, IPv6": { from: pod, address: six, port: 80 },
      "a host process, IPv6": { from: host, address: six, port: 80 },
      "from outside": { from: outside, address: node.node.address, port: nodePort },
      "a host process, node port": { from: host, address: node.node.address, port: nodePort },
      "a Pod, UDP": { from: pod, ...udp },
      "a host process, UDP": { from: host, ...udp },
      "a Pod, UDP from one port": { from: pod, ...udp, localPort: 5_555 },
      "a host process, UDP from one port": { from: host, ...udp, localPort: 5_556 },
      "a host process, no endpoint": { from: host, address: emptyIP, port: 80 },
    });
  }, 900_000); // the first run builds Kubernetes

  afterAll(async () => {
    await streams?.stop();
    await node?.close();
  });

  afterEach((context) => {
    if (context.task.result?.state !== "fail") return;
    console.log(node?.log("kube-proxy"), node?.log("portico"));
  });

  /** The cluster IP of a Service without endpoints. */
  async function createServices(): Promise<string> {
    const ports = [
      { name: "http", port: 80, targetPort: 8080, protocol: "TCP" },
      { name: "dns", port: 53, targetPort: 8080, protocol: "UDP" },
    ];
    const { objects } = node;
    const web = await objects.createService({
      name: "web",
      spec: { type: "NodePort", selector: WEB, ports },
    });
    clusterIP = web.spec?.clusterIP ?? "";
    nodePort = web.spec?.ports?.[0]?.nodePort ?? 0;
    await objects.createService({
      name: "balanced",
      spec: {
        type: "LoadBalancer",
        externalTrafficPolicy: "Local",
        healthCheckNodePort: HEALTH_CHECK_NODE_PORT,
        selector: WEB,
        ports: [{ name: "http", port: 80, targetPort: 8080 }],
      },
    });
    const selector = { app: "nobody" };
    const empty = await objects.createService({
      name: "empty",
      spec: { selector, ports: [{ port: 80 }] },
    });
    return empty.spec?.clusterIP ?? "";
  }

  async function dialers() {
    const { outside } = node;
    const pod = await node.node.pod("client").dialer();
    return [pod, await node.node.dialer(), await outside.dialer()] as const;
  }

  /** Opens a connection of each kind, to be held. */
  async function hold(when: string): Promise<void> {
    const [pod, host, outside] = await dialers();
    held.set(when, [
      await pod.open(clusterIP, 80),
      await host.open(clusterIP, 80),
      await outside.open(node.node.address, nodePort),
    ]);
  }

  async function stillOpen(when: string): Promise<void> {
    for (const connection of notEmpty(held.get(when) ?? [], `connections of ${when}`)) {
      expect(await connection.echo(`opened with ${when}`, LAG_MS)).toBe(`opened with ${when}`);
    }
  }

  /** Whoever serves tells load balancers that this node has endpoints. */
  async function isAsked(): Promise<void> {
    const url = `http://${node.node.address}:${HEALTH_CHECK_NODE_PORT}/`;
    await eventually("200 on the healthCheckNodePort", LAG_MS, async () => {
      const asking = node.node.exec(process.execPath, ["-e", STATUS, url], { allowFailure: true });
      return (await asking).stdout === "200\n";
    });
  }

  /** The cluster IP of a Service in IPv6; its slice is written by hand, as Pods here have IPv4. */
  async function createServiceInIPv6(): Promise<string> {
    const { objects } = node;
    const service = await objects.createService({
      name: "six",
      spec: { ipFamilies: ["IPv6"], ports: [{ name: "http", port: 80 }] },
    });
    await objects.discovery.createNamespacedEndpointSlice({
      namespace: objects.namespace,
      body: {
        metadata: { name: "six-1", labels: { "kubernetes.io/service-name": "six" } },
        addressType: "IPv6",
        ports: [{ name: "http", port: 8080, protocol: "TCP" }],
        endpoints: node.serversInIPv6.map((address) => ({ addresses: [address] })),
      },
    });
    return service.spec?.clusterIP ?? "";
  }

  /** Every door has been tried often since the last call, and well. */
  async function allIsWell(): Promise<void> {
    await eventually("more traffic", LAG_MS, async () => streams.hasTried(TRIES));
    const { "a host process, no endpoint": refused, ...others } = streams.outcomes();
    expect(refused).toEqual(["refused"]);
    expect(others).toEqual(Object.fromEntries(Object.keys(others).map((name) => [name, ANSWERED])));
  }

  it("serves through kube-proxy to begin with, and may go on", async () => {
    await allIsWell();
    await hold("kube-proxy");
    const printed = await node.run("check");
    expect(printed).toMatch(new RegExp(`^note +kube-proxy: running in ${mode} mode`, "m"));
    expect(printed).toMatch(/^note +the metrics port is kube-proxy's: TCP 127.0.0.1:10249/m);
    expect(printed).toMatch(/^ok +Service CIDRs overlap .*: 10\.96\.0\.0\/16, fd00:96::\/112/m);
    expect(printed).toMatch(/^safe to proceed/m);
  });

  it("starts Portico beside it", async () => {
    await node.run("start");
    await node.porticoServes(LAG_MS);
    await allIsWell();
    await stillOpen("kube-proxy");
    expect(await node.run("look")).toMatch(/default +web +http/);
    await hold("both");
  });

  it("removes kube-proxy", async () => {
    await node.run("remove");
    await allIsWell();
    await node.run("forget");
    await allIsWell();
    await stillOpen("kube-proxy");
    await stillOpen("both");
    await hold("Portico");
    await isAsked();
    const printed = await node.run("look-again");
    expect(printed).toMatch(/^ok +kube-proxy: not here/m);
    expect(printed).toMatch(/^note +Portico: running, with its table/m);
  });

  it("starts kube-proxy in the controller's place", async () => {
    await node.run("back");
    await allIsWell();
    await kubeProxyServes();
    await allIsWell();
    await isAsked();
    await stillOpen("Portico");
  });

  it("removes Portico, which lets its connections end", async () => {
    await shortenUdpTimeouts(node.node, UDP_TIMEOUT);
    const stopped = node.run("stop");
    await allIsWell();
    for (const when of ["kube-proxy", "both", "Portico"]) await stillOpen(when);
    for (const each of notEmpty([...held.values()].flat(), "connections")) await each.close();
    expect(await stopped).toContain("removed nft table inet portico");
    expect(await stopped).not.toContain("time limit reached");
    await allIsWell();
    const { stdout } = await node.node.exec("nft", ["list", "tables", "inet"]);
    expect(stdout).toBe("");
    await isAsked();
  });

  it("tells of what kube-proxy leaves when it ends", async () => {
    await node.stopUnit("kube-proxy");
    const printed = await node.run("check");
    expect(printed).toMatch(new RegExp(`^warning +rules of kube-proxy in ${mode} mode`, "m"));
  });

  /** Until it has written its rules: the host's connections are its own then. */
  async function kubeProxyServes(): Promise<void> {
    const lister = mode === "nftables" ? ["nft", "list", "ruleset"] : ["iptables-save"];
    await eventually("kube-proxy's rules", LAG_MS, async () => {
      node.assertRunning("kube-proxy");
      const { stdout } = await node.node.exec(lister[0] ?? "", lister.slice(1));
      return stdout.includes("default/web");
    });
  }
});
