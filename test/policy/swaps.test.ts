// A policy stands while what enforces it and what serves Services come and go, each in any order.
// On one node, with rules as Calico's, which let the node itself reach its Pods.

import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import type { Dialer } from "../namespaces/dialer.ts";
import { nodeObject, PorticoProcess, serviceObjects } from "../real/portico-fixture.ts";
import { CALICO } from "./calico-rules.ts";
import { POLICY_SETS } from "./policies.ts";
import { RulesByHand } from "./rules-by-hand.ts";

const VIP = "10.96.0.10";
const DNS = "10.96.0.53";
const DEADLINE_MS = 20_000;

let cluster: Cluster;
let node: ClusterNode;
let client: Dialer;
let portico: PorticoProcess;
const enforcer = new RulesByHand(CALICO);

beforeAll(async () => {
  const pods = { "client-1": "auto", "pod-a": "auto", "pod-b": "auto" } as const;
  ({ cluster, node } = await makeNode({ name: "node-1", pods }));
  await node.pod("pod-a").serve({ tcp: 8080, udp: 8080 });
  client = await node.pod("client-1").dialer();
  portico = new PorticoProcess(node);
  const { address } = node.pod("pod-a");
  portico.write([
    nodeObject("node-1", node.address),
    ...serviceObjects({ name: "web", clusterIP: VIP, endpoints: [address] }),
    ...serviceObjects({ name: "dns", clusterIP: DNS, endpoints: [address], protocol: "UDP" }),
  ]);
});
afterAll(async () => {
  await portico?.close();
  await cluster?.close();
});

async function obey(name: string): Promise<void> {
  const set = POLICY_SETS.find((each) => each.name === name);
  if (set === undefined) throw new Error(`no set of policies is called ${name}`);
  await enforcer.enforced(node, set);
}

async function startPortico(): Promise<void> {
  await portico.start(["--service-cidr", "10.96.0.0/16"]);
  await portico.synced(DEADLINE_MS);
}

const DIALS = [
  { address: VIP, protocol: "TCP" },
  { address: DNS, protocol: "UDP" },
] as const;

async function outcomes(): Promise<string[]> {
  const dialled = DIALS.map(({ address, protocol }) =>
    client.dialOnce(address, 80, { protocol, timeoutMs: 1_000 }),
  );
  return (await Promise.all(dialled)).map(({ outcome }) => outcome);
}

async function isLetIn(): Promise<void> {
  await eventually("the client let in", DEADLINE_MS, async () =>
    (await outcomes()).every((outcome) => outcome === "answered"),
  );
}

async function isKeptOut(): Promise<void> {
  expect(await outcomes()).not.toContain("answered");
}

it("holds for a Portico that starts after its enforcer", async () => {
  await obey("nobody in");
  await startPortico();
  await isKeptOut();
  await obey("in from a namespace");
  await isLetIn();
});

it("holds for an enforcer that starts after Portico, and starts again", async () => {
  await node.exec("nft", ["delete", "table", "inet", "calico_like"]);
  await isLetIn();
  await obey("nobody in");
  await isKeptOut();
  await node.exec("nft", ["delete", "table", "inet", "calico_like"]);
  await obey("nobody in");
  await isKeptOut();
});

it("lets in at once whom it kept waiting", async () => {
  await obey("nobody in");
  await isKeptOut();
  await isKeptOut();
  await obey("everybody in");
  // Less than a SYN that was dropped waits for its repetition.
  const dialled = Array.from({ length: 6 }, () => client.dialOnce(VIP, 80, { timeoutMs: 900 }));
  const outcomes = (await Promise.all(dialled)).map(({ outcome }) => outcome);
  expect(new Set(outcomes)).toEqual(new Set(["answered"]));
});

it("leaves alone what stands, as with kube-proxy, and keeps out what is new", async () => {
  // Of a client that nothing has kept out before: what waits has its connections wait too.
  const other = await node.pod("pod-b").dialer();
  await obey("in from Pods of its own namespace");
  const held = await other.open(VIP, 80);
  expect(await held.echo("before")).toBe("before");
  await obey("nobody in");
  expect((await other.dialOnce(VIP, 80, { timeoutMs: 1_000 })).outcome).not.toBe("answered");
  expect(await held.echo("still")).toBe("still");
  await held.close();
});

it("lets nobody in while Portico goes and comes back", async () => {
  await obey("nobody in");
  const loads = await Promise.all(
    DIALS.map(({ address, protocol }) =>
      client.load(address, 80, 2, { protocol, timeoutMs: 500, pauseMs: 20 }),
    ),
  );
  await portico.end("SIGTERM");
  const { code } = await portico.command("cleanup");
  expect(code).toBe(0);
  await startPortico();
  await isKeptOut();
  for (const load of loads) {
    const { outcomes: seen } = await load.stop();
    expect(Object.keys(seen).length).toBeGreaterThan(0);
    expect(seen).not.toHaveProperty("answered");
  }
  await obey("everybody in");
  await isLetIn();
});
