// As many connections and UDP flows as Envoy's descriptors suffice for, and more: those that are
// there stay, further ones are refused at once, Envoy lives, and the node reports it.

import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { livingEnvoy } from "../../envoy/process.ts";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import type { Dialer, HeldConnection } from "../namespaces/dialer.ts";
import { textOfNode } from "./metrics-of-node.ts";
import { nodeObject, PorticoProcess, serviceObjects } from "./portico-fixture.ts";

const [POD, VIP] = ["10.1.1.11", "10.96.0.10"];
const UDP = ["10.96.0.20", "10.96.0.21", "10.96.0.22", "10.96.0.23", "10.96.0.24"];
const DATAGRAMS = new URL("./datagrams.ts", import.meta.url).pathname;
/** Of which 200 are Envoy's own, and half are for UDP flows (envoy/connection-limit.ts). */
const DESCRIPTORS = 1_024;
const CONNECTIONS = 156;
/** Of each of five lists of endpoints: an eighth of 512. */
const FLOWS = 64;
const DEADLINE_MS = 20_000;

let cluster: Cluster;
let node: ClusterNode;
let client: Dialer;
let portico: PorticoProcess;
let envoy: number | undefined;
let held: HeldConnection[] = [];

beforeAll(async () => {
  const pods = { client: "10.1.1.10", web: POD };
  ({ cluster, node } = await makeNode({ name: "node-1", pods }));
  await node.pod("web").serve({ tcp: 8080, udp: 8080 });
  client = await node.pod("client").dialer();
  portico = new PorticoProcess(node);
  portico.descriptorLimit = DESCRIPTORS;
  const endpoints = [POD];
  portico.write([
    nodeObject("node-1", node.address),
    ...serviceObjects({ name: "web", clusterIP: VIP, endpoints }),
    ...UDP.flatMap((clusterIP, number) =>
      serviceObjects({ name: `udp-${number}`, clusterIP, endpoints, protocol: "UDP" }),
    ),
  ]);
  await portico.start(["--service-cidr", "10.96.0.0/16"]);
  await portico.synced(30_000);
  envoy = await livingEnvoy(`${portico.runDirectory}/a`);
});
afterEach((context) => {
  if (context.task.result?.state === "fail") console.log(portico.log);
});
afterAll(async () => {
  await portico?.close();
  await cluster?.close();
});

/** To a client, one that Envoy refuses is open for a moment. */
async function openUntilRefused(): Promise<HeldConnection[]> {
  const opened: HeldConnection[] = [];
  for (;;) {
    const next = await client.open(VIP, 80);
    const answer = await next.echo("first", 10_000).catch(() => undefined);
    if (answer === undefined) return opened;
    opened.push(next);
  }
}

/** How many of 250 got an answer. Holds them open for as long as that takes. */
async function flows(address: string): Promise<number> {
  const args = [DATAGRAMS, "flows", address, "80", "250"];
  const { stdout } = await node.pod("client").exec(process.execPath, args);
  return Number(JSON.parse(stdout));
}

async function problems(): Promise<string[]> {
  return (await portico.status()).problems.map(({ object, message }) => `${object}: ${message}`);
}

async function reports(pattern: RegExp): Promise<void> {
  await eventually(`problem ${pattern}`, DEADLINE_MS, async () =>
    (await problems()).some((problem) => pattern.test(problem)),
  );
}

async function metric(name: string): Promise<number> {
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(await textOfNode(node))?.[1]);
}

it("carries as many connections as it can, and refuses more at once", async () => {
  held = await openUntilRefused();
  expect(held).toHaveLength(CONNECTIONS);
  const dials = await client.dial(VIP, 80, { tries: 5, timeoutMs: 5_000 });
  const outcomes = new Set(dials.map(({ outcome }) => outcome));
  // The end of the stream, or a reset if the client had already sent something.
  expect(["eof", "reset"]).toEqual(expect.arrayContaining([...outcomes]));
  expect(await livingEnvoy(`${portico.runDirectory}/a`)).toBe(envoy);
});

it("reports that, as a problem and in its metrics", async () => {
  await reports(/^Node node-1: Envoy has as many connections as .*\(156\), and closes/);
  expect(await metric("portico_envoy_connections_limit")).toBe(CONNECTIONS);
  expect(await metric("portico_envoy_connections")).toBe(CONNECTIONS);
  expect(await metric("portico_envoy_connections_refused_total")).toBeGreaterThanOrEqual(6);
});

it("keeps running when UDP flows take what they may too, and names their Services", async () => {
  const answered: number[] = [];
  for (const address of UDP) answered.push(await flows(address));
  expect(answered).toEqual(UDP.map(() => FLOWS));
  expect(await livingEnvoy(`${portico.runDirectory}/a`)).toBe(envoy);
  for (const name of ["udp-0", "udp-4"]) {
    await reports(new RegExp(`^Service test/${name}: more UDP flows at once`));
  }
  expect(await metric("portico_envoy_udp_flows")).toBe(FLOWS * UDP.length);
  expect(await metric("portico_envoy_udp_flows_refused_total")).toBeGreaterThan(0);
});

it("has lost none of the connections, and has room again when they end", async () => {
  const said = await Promise.all(held.map((each) => each.echo("still here", 10_000)));
  expect(said).toEqual(held.map(() => "still here"));
  await Promise.all(held.splice(0, 100).map((each) => each.close()));
  await eventually("an answer", DEADLINE_MS, async () => {
    return (await client.dialOnce(VIP, 80)).outcome === "answered";
  });
});
