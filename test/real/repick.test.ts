// Services of which a backend refuses, or is silent, on real Envoy: clients get another one, with
// all that they sent; and an error where there is none.

import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { shippedPlugin } from "../../controller/config/run-options.ts";
import { askAdmin } from "../../envoy/admin.ts";
import { eventually } from "../eventually.ts";
import { OUTSIDE_ADDRESSES } from "../namespaces/addresses.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import type { DialResult } from "../namespaces/messages.ts";
import { metricsOf } from "./metrics-of-node.ts";
import {
  nodeObject,
  PorticoProcess,
  type ServiceSketch,
  serviceObjects,
} from "./portico-fixture.ts";
import { withOtherBuild } from "./test-plugins.ts";

const PODS = ["client", "web-1", "web-2", "greeting", "refusing", "silent"] as const;
type PodName = (typeof PODS)[number];
const ADDRESSES: Record<PodName, [string, string]> = {
  client: ["10.1.1.10", "fd00:1:1::10"],
  "web-1": ["10.1.1.21", "fd00:1:1::21"],
  "web-2": ["10.1.1.22", "fd00:1:1::22"],
  refusing: ["10.1.1.23", "fd00:1:1::23"],
  silent: ["10.1.1.24", "fd00:1:1::24"],
  greeting: ["10.1.1.25", "fd00:1:1::25"],
};
const HALF = "10.96.0.10";
const HALF_V6 = "fd00:96::10";
const NONE = "10.96.0.11";
const QUIET = "10.96.0.12";
const STICKY = "10.96.0.13";
const DATAGRAMS = "10.96.0.14";
const LEAVING = "10.96.0.16";
const GREETING = "10.96.0.17";
const QUIET_GREETING = "10.96.0.18";
const NO_GREETING = "10.96.0.19";
const NODE_PORT = 30080;
const LOCAL_NODE_PORT = 30081;
const [OUTSIDE_IPV4 = ""] = OUTSIDE_ADDRESSES;
const MEGABYTES = 3;
/** More than all attempts take. */
const PATIENCE_MS = 20_000;

let cluster: Cluster;
let node: ClusterNode;
let portico: PorticoProcess;

function ipv4(...pods: PodName[]): string[] {
  return pods.map((pod) => ADDRESSES[pod][0]);
}

function ipv6(...pods: PodName[]): string[] {
  return pods.map((pod) => ADDRESSES[pod][1]);
}

const SERVICES: readonly ServiceSketch[] = [
  {
    name: "half",
    clusterIP: HALF,
    endpoints: ipv4("web-1", "refusing"),
    nodePort: NODE_PORT,
  },
  { name: "half-v6", clusterIP: HALF_V6, endpoints: ipv6("web-1", "refusing") },
  { name: "none", clusterIP: NONE, endpoints: ipv4("refusing") },
  { name: "quiet", clusterIP: QUIET, endpoints: ipv4("web-1", "silent") },
  {
    name: "sticky",
    clusterIP: STICKY,
    endpoints: ipv4("web-1", "web-2", "refusing"),
    affinityTimeoutSeconds: 600,
  },
  { name: "leaving", clusterIP: LEAVING, endpoints: ipv4("silent") },
  { name: "greeting", clusterIP: GREETING, endpoints: ipv4("greeting", "refusing") },
  { name: "quiet-greeting", clusterIP: QUIET_GREETING, endpoints: ipv4("greeting", "silent") },
  { name: "no-greeting", clusterIP: NO_GREETING, endpoints: ipv4("refusing") },
  { name: "datagrams", clusterIP: DATAGRAMS, endpoints: ipv4("web-1"), protocol: "UDP" },
  {
    name: "local",
    clusterIP: "10.96.0.15",
    endpoints: ipv4("web-1", "web-2", "refusing"),
    nodePort: LOCAL_NODE_PORT,
    externalTrafficPolicy: "Local",
  },
];

beforeAll(async () => {
  const pods = Object.fromEntries(PODS.map((pod) => [pod, ADDRESSES[pod]]));
  ({ cluster, node } = await makeNode({ name: "node-1", pods, dualStack: true }));
  for (const pod of ["web-1", "web-2"]) {
    await node.pod(pod).serve({ tcp: [8080], udp: [8080] });
  }
  await startGreeting();
  const drop =
    "add table inet silent; add chain inet silent in { type filter hook input priority 0; }";
  await node.pod("silent").exec("nft", [`${drop}; add rule inet silent in tcp dport 8080 drop`]);
  portico = new PorticoProcess(node);
  portico.write([nodeObject("node-1", node.address), ...SERVICES.flatMap(serviceObjects)]);
  await portico.start([
    ...["--service-cidr", "10.96.0.0/16", "--service-cidr", "fd00:96::/64"],
    ...["--service-metrics", "backend"],
  ]);
  await portico.synced();
});
afterAll(async () => {
  await portico?.close();
  await cluster?.close();
});

/** A server that speaks first, as those for mail and databases do, and then echoes. */
async function startGreeting(): Promise<void> {
  const program = `require("node:net")
    .createServer((socket) => { socket.write("220 ready\\n"); socket.pipe(socket); })
    .listen(8080, () => console.log("listens"));`;
  const server = node.pod("greeting").spawn(process.execPath, ["-e", program]);
  if (server.stdout) await once(server.stdout, "data");
}

/**
 * Prints JSON: for each of so many connections at once what came, where the client sends nothing
 * before it was greeted: "220 ready, thanks", or how it ended without.
 */
const LISTENING_CLIENT = `
  const [address, tries] = process.argv.slice(1);
  const ended = Array.from({ length: Number(tries) }, () => new Promise((resolve) => {
    let text = "";
    const socket = require("node:net").connect({ host: address, port: 80 });
    socket.setEncoding("utf8").on("data", (part) => {
      text += part;
      if (text === "220 ready\\n") socket.write("thanks\\n");
      if (text.endsWith("thanks\\n")) socket.destroy();
    });
    socket.on("error", (error) => resolve(error.code));
    socket.on("close", () => resolve(text.trim().replace("\\n", ", ") || "end"));
  }));
  Promise.all(ended).then((all) => console.log(JSON.stringify(all)));
`;

async function greetings(address: string, tries: number): Promise<Record<string, number>> {
  const args = ["-e", LISTENING_CLIENT, address, String(tries)];
  const { stdout } = await node.pod("client").exec(process.execPath, args, { timeoutMs: 60_000 });
  return Object.fromEntries(
    Object.entries(Object.groupBy(JSON.parse(stdout) as string[], (text) => text)).map(
      ([text, all = []]) => [text, all.length],
    ),
  );
}

async function dial(
  address: string,
  options: { tries: number; from?: "client" | "outside"; port?: number },
): Promise<DialResult[]> {
  const { tries, from = "client", port = 80 } = options;
  const namespace = from === "client" ? node.pod("client") : cluster.outside;
  const dialer = await namespace.dialer();
  return dialer.dial(address, port, { tries, timeoutMs: PATIENCE_MS });
}

function tallyOf(results: readonly DialResult[]): Record<string, number> {
  const tally: Record<string, number> = {};
  for (const { outcome, name } of results) {
    const key = `${outcome} ${name}`.trim();
    tally[key] = (tally[key] ?? 0) + 1;
  }
  return tally;
}

/** The sum of Envoy's own whose names contain this. */
async function counter(name: string): Promise<number> {
  const admin = `${portico.runDirectory}/admin.sock`;
  const { body } = await askAdmin(admin, `/stats?filter=${name}`);
  const values = [...body.matchAll(/: (\d+)/g)].map(([, value]) => Number(value));
  return values.reduce((sum, value) => sum + value, 0);
}

/** Of a whole Service, or of one backend of it. */
async function failures(service: string, backend?: string): Promise<number> {
  const series = await metricsOf(node);
  const own = series.filter(({ name, labels }) => {
    const isOwn = labels.service === service && labels.backend === backend;
    return isOwn && name === `portico_${backend ? "backend" : "service"}_connections_failed_total`;
  });
  return own.reduce((sum, { value }) => sum + value, 0);
}

describe("one of two backends refuses", () => {
  it("and every client is answered by the other", async () => {
    expect(tallyOf(await dial(HALF, { tries: 200 }))).toEqual({ "answered web-1": 200 });
    expect(await counter("portico_repicks_total")).toBeGreaterThan(0);
  });

  it("also over IPv6, from outside through the node, and by the local list", async () => {
    expect(tallyOf(await dial(HALF_V6, { tries: 50 }))).toEqual({ "answered web-1": 50 });
    const outside = { tries: 50, from: "outside" } as const;
    expect(tallyOf(await dial(node.address, { ...outside, port: NODE_PORT }))).toEqual({
      "answered web-1": 50,
    });
    const local = await dial(node.address, { ...outside, port: LOCAL_NODE_PORT });
    expect(local.every(({ outcome }) => outcome === "answered")).toBe(true);
    expect(local.every(({ client }) => client.startsWith(OUTSIDE_IPV4))).toBe(true);
  });

  it("and a client with session affinity stays where it is answered", async () => {
    const results = await dial(STICKY, { tries: 50 });
    expect(new Set(results.map(({ name }) => name)).size).toBe(1);
    expect(results.every(({ outcome }) => outcome === "answered")).toBe(true);
  });
});

/** Prints JSON: what came back, by its SHA-256, of what was sent at once with the end after it. */
const ECHO = `
  const { createHash, randomBytes } = require("node:crypto");
  const [address] = process.argv.slice(1);
  const hash = (bytes) => createHash("sha256").update(bytes).digest("hex");
  const sent = randomBytes(${MEGABYTES} * 2 ** 20);
  const parts = [];
  const socket = require("node:net").connect({ host: address, port: 80, allowHalfOpen: true });
  socket.on("data", (part) => parts.push(part));
  socket.on("error", (error) => parts.push(Buffer.from(error.code)));
  socket.on("close", () =>
    console.log(JSON.stringify({ sent: hash(sent), back: hash(Buffer.concat(parts)) })));
  socket.end(sent);
`;

it("what a client sends before it has a backend arrives byte for byte, with its end", async () => {
  for (const address of [...Array(8).fill(HALF), QUIET, QUIET]) {
    const { stdout } = await node.pod("client").exec(process.execPath, ["-e", ECHO, address]);
    const { sent, back } = JSON.parse(stdout) as { sent: string; back: string };
    expect(back).toBe(sent);
  }
});

describe("a client that waits for the server to speak first", () => {
  it("is greeted by the other when one of two backends refuses, or is silent", async () => {
    expect(await greetings(GREETING, 50)).toEqual({ "220 ready, thanks": 50 });
    expect(await greetings(QUIET_GREETING, 8)).toEqual({ "220 ready, thanks": 8 });
  });

  it("is reset when all refuse", async () => {
    expect(await greetings(NO_GREETING, 5)).toEqual({ ECONNRESET: 5 });
  });
});

describe("one of two backends is silent", () => {
  it("and no client waits longer than one attempt", async () => {
    const timeouts = "cluster.backends.upstream_cx_connect_timeout";
    const before = await counter(timeouts);
    expect(tallyOf(await dial(QUIET, { tries: 12 }))).toEqual({ "answered web-1": 12 });
    expect((await counter(timeouts)) - before).toBeLessThanOrEqual(12);
  });
});

it("a plugin that is replaced goes on with the connections that wait", async () => {
  const file = join(portico.manifests, "../next.wasm");
  writeFileSync(file, withOtherBuild(await readFile(shippedPlugin()), "next"));
  const waiting = Array.from({ length: 16 }, () => dial(QUIET, { tries: 1 }));
  expect((await portico.command("plugin", "load", file)).code).toBe(0);
  expect(tallyOf((await Promise.all(waiting)).flat())).toEqual({ "answered web-1": 16 });
});

it("a connection that waits ends when its Service loses the last backend", async () => {
  const refusals = "portico_no_backend_total";
  const before = await counter(refusals);
  const all = await counter("backends.upstream_cx_total");
  const waiting = dial(LEAVING, { tries: 1 });
  await eventually(
    "an attempt",
    10_000,
    async () => (await counter("backends.upstream_cx_total")) > all,
  );
  const left = SERVICES.map((each) =>
    each.name === "leaving" ? { ...each, endpoints: [] } : each,
  );
  portico.write([nodeObject("node-1", node.address), ...left.flatMap(serviceObjects)]);
  expect(tallyOf(await waiting)).toEqual({ reset: 1 });
  expect(await counter(refusals)).toBe(before + 1);
});

describe("all backends refuse", () => {
  it("and a client that has sent something is reset", async () => {
    expect(tallyOf(await dial(NONE, { tries: 20 }))).toEqual({ reset: 20 });
  });

  it("and has failed, where one that another backend served has not", async () => {
    await eventually("failures of none", 20_000, async () => (await failures("none")) === 20);
    expect(await failures("half")).toBe(0);
    expect(await failures("half", "10.1.1.23:8080")).toBeGreaterThan(0);
    expect(await failures("half", "10.1.1.21:8080")).toBe(0);
  });
});

it("UDP is as before", async () => {
  const dialer = await node.pod("client").dialer();
  const results = await dialer.dial(DATAGRAMS, 80, { tries: 20, protocol: "UDP" });
  expect(tallyOf(results)).toEqual({ "answered web-1": 20 });
});
