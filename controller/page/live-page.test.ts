// The page's answers, made by all its parts together from objects as in a cluster.

import { expect, it } from "vitest";
import { countReads } from "../../test/stand-ins/counted-reads.ts";
import { ClusterState } from "../model/cluster-state.ts";
import { NO_SETTINGS } from "../model/service-settings.ts";
import type { EndpointSlice, Service } from "../model/types.ts";
import { NodeFollower } from "../node/follow-cluster.ts";
import type { Ejection } from "../wire/ejected.ts";
import type { NodeStatus } from "./findings.ts";
import { LivePage } from "./live-page.ts";
import type { PageState, ServiceDetail, ServiceList } from "./page-api.ts";

const ORDERS: Service = {
  namespace: "shop",
  name: "orders",
  type: "NodePort",
  clusterIPs: ["10.96.0.20"],
  headless: false,
  ports: [{ name: "http", protocol: "TCP", port: 80, nodePort: 0 }],
  externalIPs: ["192.0.2.9"],
  loadBalancerIngress: [],
  loadBalancerSourceRanges: [],
  internalTrafficPolicy: "Cluster",
  externalTrafficPolicy: "Local",
  affinityTimeoutSeconds: 60,
  settings: NO_SETTINGS,
  healthCheckNodePort: 0,
  serviceProxyName: undefined,
  selector: { app: "orders" },
  publishNotReadyAddresses: false,
  uid: "",
};

const endpoint = (address: string, more: object = {}) => ({
  address,
  ready: true,
  serving: true,
  terminating: false,
  nodeName: "node-2",
  zone: "zone-a",
  zoneHints: [],
  nodeHints: [],
  podName: `orders-${address.slice(-1)}`,
  ...more,
});

const SLICE: EndpointSlice = {
  namespace: "shop",
  name: "orders-1",
  serviceName: "orders",
  addressType: "IPv4",
  ports: [{ name: "http", protocol: "TCP", port: 8080 }],
  endpoints: [
    endpoint("10.1.1.1", { nodeName: "node-1" }),
    endpoint("10.1.1.2"),
    endpoint("10.1.1.3", { ready: false }),
    endpoint("10.1.1.4", { ready: false, terminating: true }),
  ],
  headlessLabel: false,
  lastChangeTriggerTime: 0,
};

const MESSAGE = "10.96.0.20:81/TCP is served for somebody else";

function makePage() {
  const state = new ClusterState();
  state.replaceAll("Node", []);
  state.replaceAll("ServiceCIDR", []);
  state.replaceAll("Service", [ORDERS]);
  state.replaceAll("EndpointSlice", [SLICE]);
  const follower = new NodeFollower(state, {
    nodeName: "node-1",
    serviceProxyName: undefined,
    serviceCIDRs: [],
  });
  const status = (): NodeStatus => ({
    version: "1",
    nodeName: "node-1",
    source: "manifests",
    watches: [],
    envoyConnected: true,
    tableVersion: 1,
    lastSync: { at: "2026-01-01T00:00:00Z", durationMs: 1, error: "" },
    plugin: { build: "abc", source: "shipped", lastRejection: null },
    problems: [
      { object: "Node node-1", message: "has no address" },
      { object: "Service shop/orders", message: MESSAGE },
    ],
  });
  const clock = { now: () => 5_000, after: () => () => {} };
  const readTraffic = () => Promise.reject(new Error("no Envoy"));
  const ejected: Ejection[] = [];
  const ejections = () => ejected;
  const page = new LivePage({ state, status, readTraffic, ejections, clock, wallClock: clock });
  const sync = () => page.viewChanged(follower.update());
  sync();
  const ask = async <T>(path: string, query = "") => {
    const answer = await page.routes()[path]?.(new URLSearchParams(query));
    return { status: answer?.status, body: JSON.parse(answer?.body ?? "null") as T };
  };
  return { state, sync, ask, page, follower, ejected };
}

it("tells of an endpoint that new connections leave alone how it fails", async () => {
  const { ask, ejected } = makePage();
  const fails = async () => {
    const { body } = await ask<ServiceDetail>("/api/service", "name=shop/orders");
    return body.endpoints.map((each) => [each.endpoint, each.fails]);
  };
  const [[first = ""] = []] = await fails();
  expect((await fails()).map(([, how]) => how).join("")).toBe("");
  const colon = first.lastIndexOf(":");
  const backend = { address: first.slice(0, colon), port: Number(first.slice(colon + 1)) };
  const counts = { secondsLeft: 2, secondsSince: 2, strikes: 1, failures: 2 };
  const flags = { isProbed: false, servesOthers: false };
  const failing = { backend, ...counts, ...flags } as const;
  ejected.push({ ...failing, client: "10.2.0.1", reason: "timed-out" });
  expect((await fails()).map(([, how]) => how).join("")).toBe("");
  ejected.push({ ...failing, client: undefined, reason: "refused" });
  expect((await fails())[0]).toEqual([first, "connection refused"]);
});

it("tells the node's state", async () => {
  const { body } = await makePage().ask<PageState>("/api/state");
  expect(body).toMatchObject({
    node: "node-1",
    level: "warn",
    services: 1,
    attention: 1,
    health: { serving: 1, partly: 0, refusing: 0 },
    backends: 2,
    localBackends: 1,
    counted: false,
    problemCount: 2,
  });
  expect(body.changes.map(({ text }) => text)).toEqual(["Portico started with 1 Service"]);
  expect(body.traffic).toBeUndefined();
});

it("tells of one Service where its connections go, and why not elsewhere", async () => {
  const { ask } = makePage();
  const { body } = await ask<ServiceDetail>("/api/service", "name=shop/orders");
  expect(body.doors).toEqual([
    expect.objectContaining({ door: "10.96.0.20:80/TCP", verdict: "keep", backends: [0, 1] }),
    expect.objectContaining({ door: "192.0.2.9:80/TCP", verdict: "local", kind: "ExternalIP" }),
  ]);
  const told = body.endpoints.map(({ endpoint: text, used, local, state }) => {
    return [text, used, local, state];
  });
  expect(told).toEqual([
    ["10.1.1.1:8080", true, true, ""],
    ["10.1.1.2:8080", true, false, ""],
    ["10.1.1.3:8080", false, false, "not ready"],
    ["10.1.1.4:8080", false, false, "terminating"],
  ]);
  expect(body.settings).toEqual([
    { name: "Type", value: "NodePort" },
    { name: "Selector", value: "app=orders" },
    { name: "Session affinity", value: "ClientIP, 60 s" },
    { name: "External policy", value: "Local" },
  ]);
  expect(body.problems).toEqual([MESSAGE]);
});

it("shows a backend as used until a sync has taken it out", async () => {
  const { state, ask } = makePage();
  state.upsert("EndpointSlice", { ...SLICE, endpoints: [] });
  const { body } = await ask<ServiceDetail>("/api/service", "name=shop/orders");
  expect(body.endpoints.map(({ endpoint: text, used }) => [text, used])).toEqual([
    ["10.1.1.1:8080", true],
    ["10.1.1.2:8080", true],
  ]);
  expect(body.doors[0]).toMatchObject({ backends: [0, 1], backendCount: 2 });
});

it("follows what a sync changes", async () => {
  const { state, sync, ask } = makePage();
  state.upsert("EndpointSlice", { ...SLICE, endpoints: [] });
  sync();
  const { body } = await ask<ServiceList>("/api/services", "show=attention&sort=changed");
  expect(body.rows).toEqual([
    expect.objectContaining({
      name: "orders",
      health: "refusing",
      problems: 1,
      backends: 0,
      changedAt: 5_000,
    }),
  ]);
  const detail = await ask<ServiceDetail>("/api/service", "name=shop/orders");
  expect(detail.body.changes[0]?.text).toContain("it has no backend now");
  state.remove("Service", "shop/orders");
  sync();
  expect((await ask("/api/service", "name=shop/orders")).status).toBe(404);
  const { changes } = (await ask<PageState>("/api/state")).body;
  expect(changes[0]).toMatchObject({ service: "shop/orders", text: "is gone" });
});

it("does not take a name for anything else", async () => {
  const { ask } = makePage();
  for (const name of ["", "orders", "__proto__", "shop/orders/x", "constructor"]) {
    expect((await ask("/api/service", `name=${name}`)).status).toBe(404);
  }
});

it("looks only at the Services that change", async () => {
  const readsAmong = (count: number) => {
    const { state, sync, page, follower } = makePage();
    for (let number = 0; number < count; number++) {
      const place = { name: `s${number}`, clusterIPs: [`10.97.${number >> 8}.${number & 255}`] };
      state.upsert("Service", { ...ORDERS, ...place, ports: ORDERS.ports.slice(0, 1) });
    }
    sync();
    state.remove("EndpointSlice", "shop/orders-1");
    const change = follower.update();
    return countReads(async () => page.viewChanged(change));
  };
  expect(await readsAmong(500)).toBe(await readsAmong(5));
});
