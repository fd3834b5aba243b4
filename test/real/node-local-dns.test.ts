// NodeLocal DNSCache on a node of Portico's, set up as kubernetes/dns cmd/node-cache does it: the
// address of the cluster's DNS on an interface of the node, a server that is bound to it, and rules
// by which the kernel tracks neither what goes to it nor what it says. A cache has one family.

import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { addressAndPort } from "../../controller/model/ip.ts";
import { preparePrograms } from "../demo/prerequisites.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import type { Dialer } from "../namespaces/dialer.ts";
import { nodeObject, PorticoProcess, serviceObjects } from "./portico-fixture.ts";

const LAG_MS = 60_000;
const FAMILIES = ["IPv4", "IPv6"] as const;
type Family = (typeof FAMILIES)[number];
const CLUSTER_DNS: Record<Family, string> = { IPv4: "10.96.0.10", IPv6: "fd00:96::10" };
const LOCAL_DNS: Record<Family, string> = { IPv4: "169.254.20.10", IPv6: "fd00:53::10" };
const HEALTH_PORT = 8080;

let cluster: Cluster;
let node: ClusterNode;
let portico: PorticoProcess;
let clients: Dialer[];

beforeAll(async () => {
  await preparePrograms(console.log, { iptables: "iptables" });
  const pods = { client: "auto", dns: "auto" } as const;
  ({ cluster, node } = await makeNode({ name: "node-1", pods, dualStack: true }));
  await node.pod("dns").serve({ tcp: 8080, udp: 8080 });
  clients = [await node.pod("client").dialer(), await node.dialer()];
  portico = new PorticoProcess(node);
  portico.write([nodeObject("node-1", node.address), ...FAMILIES.flatMap(dnsObjects)]);
  await start();
}, 300_000);
afterAll(async () => {
  await portico?.close();
  await cluster?.close();
});
afterEach((context) => {
  if (context.task.result?.state === "fail") console.log(portico?.log.slice(-3_000));
});

function dnsObjects(family: Family) {
  const endpoints = node.pod("dns").addresses.slice(FAMILIES.indexOf(family)).slice(0, 1);
  return (["TCP", "UDP"] as const).flatMap((protocol) =>
    serviceObjects({
      name: `kube-dns-${family}-${protocol}`.toLowerCase(),
      clusterIP: CLUSTER_DNS[family],
      endpoints,
      port: 53,
      protocol,
    }),
  );
}

async function start(): Promise<void> {
  await portico.start(["--service-cidr", "10.96.0.0/16", "--service-cidr", "fd00:96::/112"]);
  await portico.synced(LAG_MS);
}

/** The interface, the servers and the rules of a node-cache of a family. */
class NodeCache {
  readonly #iptables: string;
  readonly #addresses: readonly string[];
  #servers: Awaited<ReturnType<ClusterNode["serve"]>>[] = [];

  constructor(family: Family) {
    this.#iptables = family === "IPv4" ? "iptables" : "ip6tables";
    this.#addresses = [LOCAL_DNS[family], CLUSTER_DNS[family]];
  }

  async start(): Promise<void> {
    // In place of a dummy, which not every kernel has: a bridge without ports.
    await node.exec("ip", ["link", "add", "nodelocaldns", "type", "bridge"]);
    for (const address of this.#addresses) {
      const six = address.includes(":") ? ["nodad"] : [];
      await node.exec("ip", ["address", "add", address, "dev", "nodelocaldns", ...six]);
      this.#servers.push(await node.serve({ name: "cache", tcp: 53, udp: 53, address }));
    }
    await this.#rules("-I");
  }

  async stop(): Promise<void> {
    await node.exec("ip", ["link", "del", "nodelocaldns"]);
    await this.#rules("-D");
    for (const server of this.#servers) server.kill("SIGKILL");
  }

  async #rules(verb: "-I" | "-D"): Promise<void> {
    for (const rule of this.#addresses.flatMap(rulesFor)) {
      const [table = "", chain = "", ...rest] = rule.split(" ");
      const comment = ["-m", "comment", "--comment", "NodeLocal DNS Cache"];
      await node.exec(this.#iptables, ["-w", "-t", table, verb, chain, ...rest, ...comment]);
    }
  }
}

function rulesFor(address: string): string[] {
  const dns = ["tcp", "udp"].flatMap((protocol) => [
    `raw PREROUTING -p ${protocol} -d ${address} --dport 53 -j NOTRACK`,
    `filter INPUT -p ${protocol} -d ${address} --dport 53 -j ACCEPT`,
    `raw OUTPUT -p ${protocol} -s ${address} --sport 53 -j NOTRACK`,
    `filter OUTPUT -p ${protocol} -s ${address} --sport 53 -j ACCEPT`,
    `raw OUTPUT -p ${protocol} -d ${address} --dport 53 -j NOTRACK`,
  ]);
  return [
    ...dns,
    `raw OUTPUT -p tcp -d ${address} --dport ${HEALTH_PORT} -j NOTRACK`,
    `raw OUTPUT -p tcp -s ${address} --sport ${HEALTH_PORT} -j NOTRACK`,
  ];
}

/** Who answers a Pod and a host process: over TCP, over UDP, and over UDP from one port. */
async function whoAnswers(address: string): Promise<string[]> {
  const names: string[] = [];
  for (const client of clients) {
    for (const options of [
      { protocol: "TCP" },
      { protocol: "UDP" },
      { protocol: "UDP", localPort: 5_353 },
    ] as const) {
      const answer = await client.dialOnce(address, 53, { timeoutMs: 5_000, ...options });
      names.push(answer.name || answer.outcome);
    }
  }
  return names;
}

const all = (name: string) => Array.from({ length: 6 }, () => name);

describe.each(FAMILIES)("in %s", (family) => {
  const cache = new NodeCache(family);

  it("the cache answers from its start on", async () => {
    expect(await whoAnswers(CLUSTER_DNS[family])).toEqual(all("dns"));
    await cache.start();
    expect(await whoAnswers(CLUSTER_DNS[family])).toEqual(all("cache"));
    expect(await whoAnswers(LOCAL_DNS[family])).toEqual(all("cache"));
  });

  it("explain and check name it", async () => {
    const client = String(node.pod("client").addresses[FAMILIES.indexOf(family)]);
    for (const from of [["--from", client], []]) {
      for (const protocol of ["", "/udp"]) {
        const to = `${addressAndPort(CLUSTER_DNS[family], 53)}${protocol}`;
        const { stdout } = await portico.command("explain", to, ...from);
        expect(stdout, `${to} ${from.join(" ")}`).toContain("NodeLocal DNSCache");
        expect(stdout).not.toContain("!!");
      }
    }
    const main = new URL("../../build/portico", import.meta.url).pathname;
    const options = { allowFailure: true };
    const { stdout } = await node.exec(process.execPath, [main, "check"], options);
    expect(stdout).toMatch(new RegExp(`interface nodelocaldns, .*${LOCAL_DNS[family]}`));
  });

  it("it answers also when Portico starts later, and while that drains", async () => {
    await portico.end("SIGTERM");
    expect((await portico.command("cleanup")).code).toBe(0);
    await start();
    expect(await whoAnswers(CLUSTER_DNS[family])).toEqual(all("cache"));
    expect(await whoAnswers(LOCAL_DNS[family])).toEqual(all("cache"));
    await portico.command("drain", "--limit", "0s");
    expect(await whoAnswers(CLUSTER_DNS[family])).toEqual(all("cache"));
    await portico.end("SIGTERM");
    await start();
  });

  it("Portico serves when it has stopped", async () => {
    await cache.stop();
    expect(await whoAnswers(CLUSTER_DNS[family])).toEqual(all("dns"));
  });
});

it("Envoy's ports are for nobody whose packets are not tracked either", async () => {
  await node.exec("iptables", ["-t", "raw", "-I", "PREROUTING", "-p", "tcp", "-j", "NOTRACK"]);
  const [pod] = clients;
  const dialled = await pod?.dialOnce(node.address, 15_401);
  await node.exec("iptables", ["-t", "raw", "-D", "PREROUTING", "-p", "tcp", "-j", "NOTRACK"]);
  expect(dialled).toMatchObject({ outcome: "refused" });
});
