// `portico explain` as people type it, on real Envoy and the real kernel: what it says, in text and
// JSON, and that the connection that it makes goes as it says.

import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { Explanation } from "../../controller/explain/explanation.ts";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import { makeOwnNft, removeOwnNft } from "./own-nft.ts";
import { type KubernetesObject, nodeObject, PorticoProcess } from "./portico-fixture.ts";

const CLIENT = "10.1.1.10";
const WEB_1 = "10.1.1.11";
const WEB_2 = "10.1.1.12";
const CLIENT_V6 = "fd00:1:1::a";
const WEB_V6 = "fd00:1:1::b";
const FLAGS = [
  "--service-cidr=10.96.0.0/16",
  "--service-cidr=fd00:96::/112",
  "--detect-local-mode=ClusterCIDR",
  "--cluster-cidr=10.1.1.0/24,fd00:1:1::/64",
  // What others change is not to be mended while it is looked at.
  "--sync-period=1h",
];

let cluster: Cluster;
let node: ClusterNode;
let portico: PorticoProcess;

interface Sketch {
  name: string;
  clusterIP: string;
  ports: readonly object[];
  spec?: object;
  endpoints: readonly object[];
  slicePorts: readonly object[];
}

function objectsOf(sketch: Sketch): KubernetesObject[] {
  const { name, clusterIP, ports, spec, endpoints, slicePorts } = sketch;
  const labels = { "kubernetes.io/service-name": name };
  return [
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace: "shop" },
      spec: { clusterIP, ports, ...spec },
    },
    {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name: `${name}-1`, namespace: "shop", labels },
      addressType: clusterIP.includes(":") ? "IPv6" : "IPv4",
      ports: slicePorts,
      endpoints,
    },
  ];
}

function endpoint(address: string, pod: string, fields: object = {}): object {
  const targetRef = { kind: "Pod", namespace: "shop", name: pod };
  return { addresses: [address], nodeName: "node-1", targetRef, ...fields };
}

const NOT_READY = { conditions: { ready: false, serving: false } };
const HTTP = [{ name: "http", port: 8080, protocol: "TCP" }];
const OBJECTS: KubernetesObject[] = [
  ...objectsOf({
    name: "web",
    clusterIP: "10.96.0.10",
    ports: [{ name: "http", port: 80 }],
    endpoints: [
      endpoint(WEB_1, "web-1"),
      endpoint(WEB_2, "web-2", NOT_READY),
      endpoint("10.1.2.10", "web-3", { nodeName: "node-2", ...NOT_READY }),
    ],
    slicePorts: HTTP,
  }),
  ...objectsOf({
    name: "wrong-port",
    clusterIP: "10.96.0.11",
    ports: [{ name: "http", port: 80 }],
    endpoints: [endpoint(WEB_1, "web-1")],
    slicePorts: [{ name: "http", port: 9999, protocol: "TCP" }],
  }),
  ...objectsOf({
    name: "empty",
    clusterIP: "10.96.0.12",
    ports: [{ port: 80 }],
    endpoints: [],
    slicePorts: [{ port: 8080, protocol: "TCP" }],
  }),
  ...objectsOf({
    name: "elsewhere",
    clusterIP: "10.96.0.13",
    ports: [{ name: "http", port: 80 }],
    spec: { internalTrafficPolicy: "Local" },
    endpoints: [endpoint("10.1.2.10", "web-3", { nodeName: "node-2" })],
    slicePorts: HTTP,
  }),
  ...objectsOf({
    name: "affine",
    clusterIP: "10.96.0.14",
    ports: [{ name: "http", port: 80 }],
    spec: { sessionAffinity: "ClientIP" },
    endpoints: [endpoint(WEB_1, "web-1"), endpoint(WEB_2, "web-2")],
    slicePorts: HTTP,
  }),
  ...objectsOf({
    name: "web-v6",
    clusterIP: "fd00:96::a",
    ports: [{ name: "http", port: 80 }],
    spec: { sessionAffinity: "ClientIP" },
    endpoints: [endpoint(WEB_V6, "web-1")],
    slicePorts: HTTP,
  }),
  ...objectsOf({
    name: "dns-v6",
    clusterIP: "fd00:96::53",
    ports: [{ name: "dns", port: 53, protocol: "UDP" }],
    endpoints: [endpoint(WEB_V6, "web-1")],
    slicePorts: [{ name: "dns", port: 8080, protocol: "UDP" }],
  }),
  ...objectsOf({
    name: "dns",
    clusterIP: "10.96.0.53",
    ports: [{ name: "dns", port: 53, protocol: "UDP" }],
    endpoints: [endpoint(WEB_1, "web-1")],
    slicePorts: [{ name: "dns", port: 8080, protocol: "UDP" }],
  }),
  {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "client", namespace: "shop" },
    spec: { nodeName: "node-1", containers: [] },
    status: { podIP: CLIENT, podIPs: [{ ip: CLIENT }] },
  },
];

beforeAll(async () => {
  const pods = { client: [CLIENT, CLIENT_V6], "web-1": [WEB_1, WEB_V6], "web-2": WEB_2 };
  ({ cluster, node } = await makeNode({ name: "node-1", pods, dualStack: true }));
  await node.pod("web-1").serve({ tcp: 8080, udp: 8080 });
  await node.pod("web-2").serve({ tcp: 8080 });
  portico = new PorticoProcess(node);
  portico.write([nodeObject("node-1", node.address), ...OBJECTS]);
  await portico.start(FLAGS);
  await portico.synced(60_000);
}, 180_000);
afterAll(async () => {
  await portico?.close();
  await cluster?.close();
});

/** Of a command that explains: its text, and its exit code. */
async function explain(...args: string[]): Promise<{ text: string; code: number }> {
  const { stdout, stderr, code } = await portico.command("explain", ...args);
  return { text: stdout + stderr, code };
}

async function explained(...args: string[]): Promise<Explanation & { trial?: TrialAnswer }> {
  const { stdout, stderr } = await portico.command("explain", "-o", "json", ...args);
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout);
}

interface TrialAnswer {
  happened: string;
  reached?: string;
  waitingFor: readonly string[];
  agrees: boolean | undefined;
}

/** Options that make the connection from a Pod's namespace. */
function tryingFrom(pod: string): string[] {
  return ["--try", "--netns", `/run/netns/${node.pod(pod).name}`];
}

describe("as text", () => {
  it("tells a Pod's way to a cluster IP, whom it leaves out, and that it is so", async () => {
    const { text, code } = await explain("shop/web", "--from", CLIENT, ...tryingFrom("client"));
    const shown = text
      .replace(/\/run\/netns\/\S+:/, "NETNS:")
      .replace(/\d+ ms/, "N ms")
      .replaceAll(/(prerouting|input): .*/g, "$1: …");
    await expect(shown).toMatchFileSnapshot("golden/explain.txt");
    expect(code).toBe(0);
  });

  it("tells what it does not know, and what may have been meant", async () => {
    const { text, code } = await explain("shop/wep");
    expect(text).toBe("portico: no Service shop/wep (did you mean shop/web?)\n");
    expect(code).toBe(1);
  });
});

describe("with the connection made", () => {
  it.each([
    ["shop/web-v6", "served", "open"],
    ["shop/dns-v6", "served", "answered"],
    ["[fd00:96::a]:81", "refused", "refused"],
    ["[fd00:96::99]:80", "dropped", "timeout"],
  ])("in IPv6: %s is %s", async (target, outcome, happened) => {
    const timeout = outcome === "dropped" ? "2" : "20";
    const args = ["--from", CLIENT_V6, "--timeout", timeout, ...tryingFrom("client")];
    const explanation = await explained(target, ...args);
    expect(explanation).toMatchObject({ outcome, disagreements: [], from: { kind: "local-pod" } });
    expect(explanation.trial).toMatchObject({ happened, agrees: true });
    if (happened === "open") expect(explanation.trial?.reached).toBe(`[${WEB_V6}]:8080`);
    const sources = explanation.backends.map(({ source }) => source);
    expect(sources).toEqual(outcome === "served" ? [CLIENT_V6] : []);
  });

  it.each([
    ["served", "shop/web", "open"],
    ["refused", "shop/empty", "refused"],
    ["refused", "10.96.0.10:81", "refused"],
    ["dropped", "shop/elsewhere", "timeout"],
    ["dropped", "10.96.0.99:80", "timeout"],
    ["served", "shop/dns", "answered"],
  ])("%s: %s", async (outcome, target, happened) => {
    const timeout = outcome === "dropped" ? "2" : "20";
    const args = ["--from", "shop/client", "--timeout", timeout, ...tryingFrom("client")];
    const explanation = await explained(target, ...args);
    expect(explanation).toMatchObject({ outcome, disagreements: [] });
    expect(explanation.trial).toMatchObject({ happened, agrees: true });
    if (happened === "open") expect(explanation.trial?.reached).toBe(`${WEB_1}:8080`);
  });

  it("says when a backend refuses, which nobody can know before", async () => {
    const args = ["--from", CLIENT, "--try", "--timeout", "60"];
    const { text, code } = await explain("shop/wrong-port", ...args);
    expect(text).toMatch(/connected, then (the stream ended|reset) at once/);
    expect(text).toContain("!! NOT AS EXPLAINED");
    expect(text).toContain("the picked backend refused or did not accept");
    expect(code).toBe(2);
  });

  it("says which backend has not answered, while Envoy alone has accepted", async () => {
    const web = node.pod("web-1");
    const chain = "chain inet silent in { type filter hook input priority 0; }";
    const rule = "add rule inet silent in tcp dport 8080 drop";
    await web.exec("nft", [`add table inet silent; add ${chain}; ${rule}`]);
    onTestFinished(async () => void (await web.exec("nft", ["delete table inet silent"])));
    const args = ["--from", CLIENT, ...tryingFrom("client")];
    const { trial } = await explained("shop/web", ...args);
    expect(trial).toMatchObject({ happened: "open", waitingFor: [`${WEB_1}:8080`] });
    expect(trial).not.toHaveProperty("reached");
    expect(trial).not.toHaveProperty("agrees");
    const { text, code } = await explain("shop/web", ...args);
    expect(text).toContain(`!! no backend has accepted it: ${WEB_1}:8080 did not answer yet`);
    expect(text).not.toMatch(/as explained/i);
    expect(code).toBe(0);
  });

  it("leaves alone what is no frontend", async () => {
    const explanation = await explained(`${WEB_1}:8080`, "--from", CLIENT, ...tryingFrom("client"));
    expect(explanation).toMatchObject({ outcome: "untouched", frontDoor: null, backends: [] });
    expect(explanation.trial?.happened).toBe("open");
    expect(explanation.trial?.agrees).toBeUndefined();
    expect(explanation.nearMisses[0]).toContain("Pod shop/web-1: dialled directly");
  });

  it("names a namespace that the client is not in", async () => {
    const { text, code } = await explain("shop/web", "--from", CLIENT, ...tryingFrom("web-2"));
    expect(text).toContain(`${CLIENT} is not an address of that network namespace`);
    expect(code).toBe(1);
  });
});

it("tells the way of the node's own processes and of others", async () => {
  const host = await explained("shop/web");
  expect(host.from).toMatchObject({ address: node.address, kind: "host" });
  expect(host.listener).toBe("capture-host");
  expect(host.backends).toEqual([
    {
      place: `${WEB_1}:8080`,
      pod: "shop/web-1",
      node: "node-1",
      source: node.address,
      sourceIs: "masqueraded",
      seenIn: "output",
      seenFrom: node.address,
    },
  ]);
  const outside = await explained("shop/web", "--from", "192.0.2.200");
  expect(outside.from.kind).toBe("outside");
  expect(outside.backends[0]?.source).toBe(node.address);
  const itself = await explained("shop/web", "--from", WEB_1);
  expect(itself.backends[0]).toMatchObject({ source: node.address, sourceIs: "hairpin" });
});

it("knows which backend Envoy remembers for a client", async () => {
  const rememberedFor = async (client: string) => {
    const { backends } = await explained("shop/affine", "--from", client);
    expect(backends).toHaveLength(2);
    return backends.filter(({ rememberedSeconds = 0 }) => rememberedSeconds > 10_000);
  };
  expect(await rememberedFor(CLIENT)).toEqual([]);
  const dialer = await node.pod("client").dialer();
  const { outcome, server } = await dialer.dialOnce("10.96.0.14", 80, { timeoutMs: 20_000 });
  expect(outcome).toBe("answered");
  expect((await rememberedFor(CLIENT)).map(({ place }) => place)).toEqual([server]);
  expect(await rememberedFor("10.1.1.99")).toEqual([]);
});

it("says that kube-proxy's rules have the node's own processes first", async () => {
  expect((await explained("shop/web")).notes.join()).not.toContain("kube-proxy");
  await node.exec("nft", ["add", "table", "ip", "kube-proxy"]);
  const { notes } = await explained("shop/web");
  await node.exec("nft", ["delete", "table", "ip", "kube-proxy"]);
  expect(notes[0]).toContain("kube-proxy's rules are on this node too");
});

describe("behind the controller's back", () => {
  /** Portico repairs at once what others change, and takes this nft for its own. */
  let ownNft: string;
  beforeAll(async () => {
    ownNft = await makeOwnNft(node);
  });
  afterAll(() => removeOwnNft(ownNft));

  /** Mends the kernel: a change of the cluster alone does not. */
  async function mended(): Promise<void> {
    await portico.end("SIGKILL");
    await portico.start(FLAGS);
    await portico.synced(60_000);
  }

  it("says that the kernel lacks an element, and what becomes of the connection", async () => {
    onTestFinished(mended, 120_000);
    const element = "{ 10.96.0.10 . tcp . 80 }";
    await node.exec(ownNft, ["delete", "element", "inet", "portico", "frontends_v4", element]);
    const args = ["--from", CLIENT, ...tryingFrom("client")];
    const { text, code } = await explain("shop/web", ...args);
    expect(text).toContain("!! DATA PLANE AND CONTROLLER DISAGREE:");
    expect(text).toContain("!! the kernel lacks 10.96.0.10:80/TCP: the controller has it as");
    expect(text).toContain("as explained: refused at once");
    expect(code).toBe(2);
    const other = await explained("shop/empty", "--from", CLIENT);
    expect(other.disagreements).toEqual([]);
  });

  it("follows a rule that somebody added, and says that the chains were changed", async () => {
    onTestFinished(mended, 120_000);
    const rule = `ip saddr ${CLIENT} tcp dport 80 counter drop`.split(" ");
    await node.exec(ownNft, ["insert", "rule", "inet", "portico", "from_frontend", ...rule]);
    const args = ["--from", CLIENT, "--timeout", "2", ...tryingFrom("client")];
    const explanation = await explained("shop/web", ...args);
    expect(explanation.outcome).toBe("dropped");
    expect(explanation.disagreements).toEqual([
      "chains or sets of table inet portico differ from what Portico wrote",
    ]);
    expect(explanation.trial).toMatchObject({ happened: "timeout", agrees: true });
  });

  it("says that the table is gone", async () => {
    onTestFinished(mended, 120_000);
    await node.exec(ownNft, ["delete", "table", "inet", "portico"]);
    const explanation = await explained("shop/web", "--from", CLIENT);
    expect(explanation.outcome).toBe("untouched");
    expect(explanation.disagreements).toContain(
      "the kernel has no table inet portico: it hands nothing to Envoy",
    );
  });

  it("says that Envoy is gone", async () => {
    onTestFinished(mended, 120_000);
    await portico.end("SIGKILL");
    await portico.start(FLAGS.concat("--envoy-concurrency=1"));
    await portico.synced(60_000);
    const { stdout } = await portico.command("envoy", "status", "-o", "json");
    const { active } = JSON.parse(stdout) as { active: { pid: number } };
    process.kill(active.pid, "SIGSTOP");
    try {
      await eventually("explain says that Envoy does not answer", 60_000, async () => {
        const asked = await explained("shop/web", "--from", CLIENT).catch(() => undefined);
        return (
          asked?.disagreements.some((each) => each.startsWith("Envoy does not answer")) === true
        );
      });
    } finally {
      await node.exec("kill", ["-CONT", String(active.pid)], { allowFailure: true });
    }
  }, 240_000);
});

it("understands every rule on its way, for every client and protocol", async () => {
  const clients = [CLIENT, WEB_1, node.address, "192.0.2.200", "192.0.2.77"];
  const targets = ["shop/web", "shop/dns", "shop/empty", "192.0.2.1:15401", "192.0.2.1:40000/udp"];
  for (const client of clients) {
    for (const target of targets) {
      const { disagreements } = await explained(target, "--from", client);
      expect(disagreements, `${client} → ${target}`).toEqual([]);
    }
  }
}, 300_000);
