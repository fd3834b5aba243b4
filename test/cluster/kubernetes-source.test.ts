// The source against a real API server, with the rights that Kubernetes gives kube-proxy.

import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { notEmpty } from "../not-empty.ts";
import { ControlPlane, type User } from "./control-plane.ts";
import { Follower, NODE_NAME } from "./follower.ts";
import { Gate } from "./gate.ts";
import { Objects, type PodFacts } from "./objects.ts";

const MINUTE = { timeout: 60_000, interval: 20 };
const SECONDS = { timeout: 10_000, interval: 10 };

let plane: ControlPlane;
const running = new Set<{ stop?: () => Promise<void>; close?: () => void }>();
let namespaceCount = 0;

beforeAll(async () => {
  plane = await ControlPlane.start();
  const objects = new Objects(plane.kubeConfig());
  const zone = { "topology.kubernetes.io/zone": "zone-a" };
  await objects.createNode({ name: NODE_NAME, addresses: ["192.0.2.10"], labels: zone });
  await objects.createNode({ name: "node-2", addresses: ["192.0.2.11"] });
}, 900_000); // the first run builds Kubernetes

afterEach(async () => {
  for (const each of running) await (each.stop?.() ?? each.close?.());
  running.clear();
  // A test that failed may have left it stopped.
  await plane?.startApiServer();
});

afterAll(() => plane?.stop());

/** Writes to a namespace of its own, so that tests do not meet. */
async function newNamespace(): Promise<Objects> {
  namespaceCount += 1;
  const objects = new Objects(plane.kubeConfig(), `shop-${namespaceCount}`);
  await objects.createNamespace();
  return objects;
}

function follow(user: User = "proxy", server = plane.server, proxyName?: string): Follower {
  const follower = new Follower(plane.access(user, server), proxyName);
  running.add(follower);
  return follower;
}

async function followSynced(...parameters: Parameters<typeof follow>): Promise<Follower> {
  const follower = follow(...parameters);
  await expect.poll(() => follower.state.isSynced(), SECONDS).toBe(true);
  return follower;
}

async function gated(): Promise<{ gate: Gate; server: string }> {
  const gate = await Gate.before(Number(new URL(plane.server).port));
  running.add(gate);
  return { gate, server: `https://127.0.0.1:${gate.port}` };
}

const ports = [{ name: "http", port: 80, targetPort: "http" }];

function pods(count: number): PodFacts[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `orders-${index}`,
    nodeName: NODE_NAME,
    ip: `10.244.1.${index + 1}`,
    labels: { app: "orders" },
    ports: [{ name: "http", containerPort: 8080 }],
  }));
}

describe("objects of the API", () => {
  it("are synced: Services, their EndpointSlices, our Node, the ServiceCIDR", async () => {
    const objects = await newNamespace();
    await objects.createService({ name: "orders", spec: { selector: { app: "orders" }, ports } });
    await objects.scale({ app: "orders" }, pods(2));
    const follower = await followSynced();
    const key = `${objects.namespace}/orders`;
    await expect.poll(() => follower.readyAddresses(key), SECONDS).toHaveLength(2);
    const [slice] = follower.state.slicesOf(key);
    expect(slice?.ports).toEqual([{ name: "http", protocol: "TCP", port: 8080 }]);
    expect(slice?.endpoints[0]).toMatchObject({ nodeName: NODE_NAME, serving: true });
    expect([...follower.state.nodes.keys()]).toEqual([NODE_NAME]);
    expect(follower.state.nodes.get(NODE_NAME)?.addresses).toEqual(["192.0.2.10"]);
    const cidrs = [...follower.state.serviceCIDRs.values()].flatMap(({ cidrs }) => cidrs);
    expect(cidrs).toEqual(["10.96.0.0/16"]);
    expect(follower.failureCodes).toEqual([]);
  });

  it("change while we look", async () => {
    const objects = await newNamespace();
    const key = `${objects.namespace}/orders`;
    const follower = await followSynced();
    await objects.createService({ name: "orders", spec: { selector: { app: "orders" }, ports } });
    const addresses = () => follower.readyAddresses(key);
    for (const count of [3, 8, 1, 0]) {
      await objects.scale({ app: "orders" }, pods(count));
      await expect.poll(addresses, SECONDS).toEqual(pods(count).map((pod) => pod.ip));
    }
    await objects.scale({ app: "orders" }, pods(1));
    await expect.poll(addresses, SECONDS).toHaveLength(1);
    await objects.setPodReady("orders-0", false);
    await expect.poll(addresses, SECONDS).toEqual([]);
    await objects.deleteService("orders");
    await expect.poll(() => follower.serviceNames(objects.namespace), SECONDS).toEqual([]);
    await expect.poll(() => follower.state.slicesOf(key), SECONDS).toEqual([]);
  });

  it("of another proxy, and headless ones, are left out while they are that", async () => {
    const objects = await newNamespace();
    const label = "service.kubernetes.io/service-proxy-name";
    await objects.createService({ name: "ours", spec: { ports } });
    await objects.createService({ name: "theirs", labels: { [label]: "other" }, spec: { ports } });
    await objects.createService({ name: "none", spec: { clusterIP: "None", ports } });
    const follower = await followSynced();
    const names = () => follower.serviceNames(objects.namespace);
    expect(names()).toEqual(["ours"]);
    await objects.patchService("ours", { metadata: { labels: { [label]: "other" } } });
    await expect.poll(names, SECONDS).toEqual([]);
    await objects.patchService("ours", { metadata: { labels: { [label]: null } } });
    await expect.poll(names, SECONDS).toEqual(["ours"]);
    const other = await followSynced("proxy", plane.server, "other");
    expect(other.serviceNames(objects.namespace)).toEqual(["theirs"]);
  });

  it("EndpointSlices with the headless label are left out while they have it", async () => {
    const objects = await newNamespace();
    const label = "service.kubernetes.io/headless";
    await objects.createService({ name: "orders", spec: { ports } });
    await objects.createSlice("orders", 8080, ["10.244.1.1"]);
    const follower = await followSynced();
    const addresses = () => follower.readyAddresses(`${objects.namespace}/orders`);
    await expect.poll(addresses, SECONDS).toEqual(["10.244.1.1"]);
    await objects.patchSlice("orders", { metadata: { labels: { [label]: "" } } });
    await expect.poll(addresses, SECONDS).toEqual([]);
    await objects.patchSlice("orders", { metadata: { labels: { [label]: null } } });
    await expect.poll(addresses, SECONDS).toEqual(["10.244.1.1"]);
  });
});

describe("faults", () => {
  it("the API server is killed and comes back: all stays, and changes arrive", async () => {
    const objects = await newNamespace();
    await objects.createService({ name: "orders", spec: { ports } });
    const follower = await followSynced();
    await plane.stopApiServer("SIGKILL");
    await expect.poll(() => follower.failureCodes, SECONDS).toContain("unreachable");
    expect(follower.serviceNames(objects.namespace)).toEqual(["orders"]);
    expect(follower.state.isSynced()).toBe(true);
    await plane.startApiServer();
    await objects.createService({ name: "carts", spec: { ports } });
    const names = () => follower.serviceNames(objects.namespace);
    await expect.poll(names, MINUTE).toEqual(["carts", "orders"]);
    const states = () => notEmpty(follower.status, "watches").map(({ state }) => state);
    await expect.poll(() => [...new Set(states())], MINUTE).toEqual(["watching"]);
  });

  it("a broken network: the watch goes on where it was, without a new list", async () => {
    const objects = await newNamespace();
    const { gate, server } = await gated();
    const follower = await followSynced("proxy", server);
    gate.shut();
    await objects.createService({ name: "carts", spec: { ports } });
    await expect.poll(() => follower.failureCodes, SECONDS).toContain("cut");
    expect(follower.serviceNames(objects.namespace)).toEqual([]);
    gate.open();
    await expect.poll(() => follower.serviceNames(objects.namespace), MINUTE).toEqual(["carts"]);
    expect(follower.status.map(({ lists }) => lists)).toEqual([1, 1, 1, 1]);
  });

  it("410 after compaction: a new list, and what was deleted meanwhile is gone", async () => {
    const objects = await newNamespace();
    await objects.createService({ name: "orders", spec: { ports } });
    await objects.createService({ name: "carts", spec: { ports } });
    const { gate, server } = await gated();
    const follower = await followSynced("proxy", server);
    gate.shut();
    await objects.deleteService("orders");
    await objects.createService({ name: "payments", spec: { ports } });
    await plane.compact();
    await plane.stopApiServer(); // its watch cache would still know the old versions
    await plane.startApiServer();
    gate.open();
    const names = () => follower.serviceNames(objects.namespace);
    await expect.poll(names, MINUTE).toEqual(["carts", "payments"]);
    expect(follower.failureCodes).toContain("gone");
    expect(follower.status.find(({ kind }) => kind === "Service")?.lists).toBe(2);
  });

  it("a missing right is named, and nothing counts as synced", async () => {
    const follower = follow("nobody");
    const told = () => follower.told.find(({ kind }) => kind === "EndpointSlice");
    await expect.poll(() => told()?.failure?.code, SECONDS).toBe("forbidden");
    const slices = told()?.failure;
    expect(slices?.message).toContain("may not watch endpointslices.discovery.k8s.io (403)");
    expect(slices?.message).toContain('User "nobody"');
    expect(slices?.hint).toContain('resources: ["endpointslices"], verbs: ["list", "watch"]');
    expect(follower.state.isSynced("Service")).toBe(false);
  });

  it("a token that is not accepted, and a certificate of another authority, are told", async () => {
    const access = plane.access("proxy");
    const token = { text: "nonsense", file: undefined };
    const unknown = new Follower({ ...access, user: { ...access.user, token } });
    running.add(unknown);
    await expect.poll(() => unknown.failureCodes, SECONDS).toEqual(["unauthorized"]);
    const tls = { ...access.tls, authority: undefined };
    const refusing = new Follower({ ...access, tls });
    running.add(refusing);
    await expect.poll(() => refusing.failureCodes, SECONDS).toEqual(["certificate"]);
    expect(refusing.told[0]?.failure?.message).toContain("not signed by the expected authority");
  });
});
