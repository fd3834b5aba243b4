// Cluster state to node view and capture set, over time.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ClusterState } from "../model/cluster-state.ts";
import { endpointSliceFromObject } from "../model/from-endpoint-slice.ts";
import { nodeFromObject } from "../model/from-node.ts";
import { serviceFromObject } from "../model/from-service.ts";
import type { EndpointSlice, Node, Problem, Service } from "../model/types.ts";
import { NodeFollower, type NodeUpdate } from "./follow-cluster.ts";
import type { CaptureSet, Verdict } from "./types.ts";

function service(name: string, spec: object): Service {
  return serviceFromObject({ metadata: { name }, spec }).value as Service;
}

function clusterIP(name: string, address: string, port = 80): Service {
  return service(name, { clusterIP: address, ports: [{ port }] });
}

function slice(serviceName: string, endpoints: Record<string, string>): EndpointSlice {
  return endpointSliceFromObject({
    metadata: { name: `${serviceName}-1`, labels: { "kubernetes.io/service-name": serviceName } },
    addressType: "IPv4",
    ports: [{ port: 8080 }],
    endpoints: Object.entries(endpoints).map(([address, nodeName]) => ({
      addresses: [address],
      nodeName,
    })),
  }).value as EndpointSlice;
}

function node(address: string): Node {
  const status = { addresses: [{ type: "InternalIP", address }] };
  return nodeFromObject({ metadata: { name: "node-1" }, status }).value as Node;
}

function follower(state: ClusterState, serviceCIDRs: string[] = []): NodeFollower {
  return new NodeFollower(state, { nodeName: "node-1", serviceProxyName: undefined, serviceCIDRs });
}

function verdictsOf({ frontends }: CaptureSet): Map<string, Verdict> {
  return new Map([...frontends].map(([key, { verdict }]) => [key, verdict]));
}

test("from nothing to a backend and back: refuse, keep, refuse", () => {
  const state = new ClusterState();
  const following = follower(state);
  state.upsert("Service", clusterIP("web", "10.96.0.1"));
  const first = following.update();
  expect(first.upserted).toMatchObject([{ key: "10.96.0.1:80/TCP", backends: [] }]);
  expect(verdictsOf(first.capture)).toEqual(new Map([["10.96.0.1:80/TCP", "refuse"]]));
  expect([...first.capture.clusterIPs]).toEqual(["10.96.0.1"]);

  state.upsert("EndpointSlice", slice("web", { "10.1.1.10": "node-1", "10.1.2.10": "node-2" }));
  const second = following.update();
  expect(verdictsOf(second.capture).get("10.96.0.1:80/TCP")).toBe("keep");
  expect([...second.capture.localBackendAddresses]).toEqual(["10.1.1.10"]);

  state.remove("EndpointSlice", "default/web-1");
  const third = following.update();
  expect(verdictsOf(third.capture)).toEqual(new Map([["10.96.0.1:80/TCP", "refuse"]]));
  expect([...third.capture.clusterIPs]).toEqual(["10.96.0.1"]);
  expect([...third.capture.localBackendAddresses]).toEqual([]);

  state.remove("Service", "default/web");
  const fourth = following.update();
  expect(fourth).toMatchObject({ upserted: [], removed: ["10.96.0.1:80/TCP"] });
  expect([...fourth.capture.frontends.keys(), ...fourth.capture.clusterIPs]).toEqual([]);
});

/** Returns what a change of a capture set names, sorted, without parts that did not change. */
function changedIn({ captureChange }: NodeUpdate): Record<string, string[]> {
  const parts = Object.entries(captureChange).map(
    ([part, keys]) => [part, [...keys].sort()] as const,
  );
  return Object.fromEntries(parts.filter(([, keys]) => keys.length > 0));
}

test("a change of the capture set names what changed in it, and nothing else", () => {
  const state = new ClusterState();
  const following = follower(state, ["10.96.0.0/16"]);
  state.upsert("Service", clusterIP("web", "10.96.0.1"));
  state.upsert("EndpointSlice", slice("web", { "10.1.2.10": "node-2" }));
  const first = following.update();
  expect(changedIn(first)).toEqual({
    frontends: ["10.96.0.1:80/TCP"],
    clusterIPs: ["10.96.0.1"],
    serviceCIDRs: ["10.96.0.0/16"],
  });
  const none = following.update();
  expect(none).toMatchObject({ upserted: [], removed: [] });
  expect(changedIn(none)).toEqual({});
  state.upsert("EndpointSlice", slice("web", { "10.1.2.10": "node-2", "10.1.2.11": "node-2" }));
  const second = following.update();
  expect(second.upserted).toHaveLength(1);
  expect(changedIn(second)).toEqual({});
  state.upsert("EndpointSlice", slice("web", { "10.1.1.10": "node-1" }));
  expect(changedIn(following.update())).toEqual({ localBackendAddresses: ["10.1.1.10"] });
  state.upsert("ServiceCIDR", { name: "more", cidrs: ["10.96.1.0/24", "10.112.0.0/16"] });
  expect(changedIn(following.update())).toEqual({ serviceCIDRs: ["10.112.0.0/16"] });
  state.remove("EndpointSlice", "default/web-1");
  expect(changedIn(following.update())).toEqual({
    frontends: ["10.96.0.1:80/TCP"],
    localBackendAddresses: ["10.1.1.10"],
  });
});

describe("a frontend that two Services claim", () => {
  const claims: [string, Service][] = [
    ["default/a", clusterIP("a", "10.96.0.1")],
    ["default/b", clusterIP("b", "10.96.0.1")],
  ];
  test.each([
    ["a first", claims],
    ["b first", claims.toReversed()],
  ])("%s: the first by name has it, the other a problem", (_, order) => {
    const state = new ClusterState();
    const following = follower(state);
    const known = new Map<string, readonly Problem[]>();
    for (const [, each] of order) {
      state.upsert("Service", each);
      for (const [key, problems] of following.update().problems) known.set(key, problems);
    }
    const problems = [...known.values()].flat();
    expect(following.view.frontends.get("10.96.0.1:80/TCP")?.service).toBe("a");
    expect(problems).toMatchObject([{ object: "Service default/b" }]);
    expect(problems[0]?.message).toContain(
      "10.96.0.1:80/TCP is already served for Service default/a",
    );

    state.remove("Service", "default/a");
    const after = following.update();
    expect(after).toMatchObject({ upserted: [{ service: "b" }], removed: [] });
    expect(after.problems.get("default/b")).toEqual([]);
    expect([...after.capture.clusterIPs]).toEqual(["10.96.0.1"]);
  });

  test("a node port does not take over a cluster IP", () => {
    const state = new ClusterState();
    const following = follower(state);
    const spec = { clusterIP: "10.96.0.9", type: "NodePort", ports: [{ port: 80, nodePort: 443 }] };
    state.upsert("Service", service("a", spec));
    state.upsert("Service", clusterIP("z", "192.0.2.1", 443));
    state.upsert("Node", node("192.0.2.1"));
    following.update();
    expect(following.view.frontends.get("192.0.2.1:443/TCP")).toMatchObject({ service: "z" });
  });
});

test("another address of the node moves the node ports", () => {
  const state = new ClusterState();
  const following = follower(state);
  const spec = { clusterIP: "10.96.0.9", type: "NodePort", ports: [{ port: 80, nodePort: 30080 }] };
  state.upsert("Service", service("web", spec));
  expect(following.update().problems.get("default/web")).toHaveLength(1);
  state.upsert("Node", node("192.0.2.1"));
  const first = following.update();
  expect(first.upserted.map(({ key }) => key)).toEqual(["192.0.2.1:30080/TCP"]);
  expect(first.problems).toEqual(new Map([["default/web", []]]));
  state.upsert("Node", node("192.0.2.7"));
  const second = following.update();
  expect(second.upserted.map(({ key }) => key)).toEqual(["192.0.2.7:30080/TCP"]);
  expect(second.removed).toEqual(["192.0.2.1:30080/TCP"]);
});

test("node ports follow the node's interfaces where they are wanted on all", () => {
  const state = new ClusterState();
  const options = { nodeName: "node-1", serviceProxyName: undefined, serviceCIDRs: [] };
  const following = new NodeFollower(state, { ...options, nodePortAddresses: ["all"] });
  const spec = { clusterIP: "10.96.0.9", type: "NodePort", ports: [{ port: 80, nodePort: 30080 }] };
  state.upsert("Service", service("web", spec));
  state.upsert("Node", node("192.0.2.1"));
  following.update(["127.0.0.1", "192.0.2.1", "198.51.100.1"]);
  const keys = () => [...following.view.frontends.keys()].filter((key) => key.includes(":30080/"));
  expect(keys()).toEqual(["192.0.2.1:30080/TCP", "198.51.100.1:30080/TCP"]);
  expect(following.update(["127.0.0.1", "192.0.2.1"]).removed).toEqual(["198.51.100.1:30080/TCP"]);
});

function restrictionsOf({ frontends }: CaptureSet): Record<string, readonly string[]> {
  const restricted = [...frontends].filter(([, { allowedSources }]) => allowedSources.length > 0);
  return Object.fromEntries(restricted.map(([key, { allowedSources }]) => [key, allowedSources]));
}

test("the capture set names external frontends and whom they let in", () => {
  const state = new ClusterState();
  const following = follower(state);
  const lb = (loadBalancerSourceRanges: string[]) =>
    serviceFromObject({
      metadata: { name: "web" },
      spec: {
        type: "LoadBalancer",
        clusterIPs: ["10.96.0.1", "fd00:96::1"],
        ports: [{ port: 80 }],
        externalIPs: ["fd00:e::7", "203.0.113.7"],
        loadBalancerSourceRanges,
      },
      status: { loadBalancer: { ingress: [{ ip: "203.0.113.9" }] } },
    }).value as Service;
  const lists = ["203.0.113.7:80/TCP", "203.0.113.9:80/TCP", "[fd00:e::7]:80/TCP"];
  state.upsert("Service", lb(["198.51.100.0/24"]));
  const { capture } = following.update();
  const external = [...capture.frontends].filter(([, { isExternal }]) => isExternal);
  expect(external.map(([key]) => key).sort()).toEqual(lists);
  expect(restrictionsOf(capture)).toEqual({ "203.0.113.9:80/TCP": ["198.51.100.0/24"] });
  state.upsert("Service", lb(["198.51.100.0/25"]));
  const kept = capture.frontends.get(lists[0] as string);
  following.update();
  expect(restrictionsOf(capture)).toEqual({ "203.0.113.9:80/TCP": ["198.51.100.0/25"] });
  expect(capture.frontends.get(lists[0] as string)).toBe(kept);
  state.upsert("Service", lb([]));
  expect(restrictionsOf(following.update().capture)).toEqual({});
});

test("Service CIDRs: of objects and options, the widest", () => {
  const state = new ClusterState();
  const following = follower(state, ["10.112.0.0/16", "10.96.0.0/16"]);
  const cidrs = ["9.0.0.0/24", "10.96.0.0/12", "10.96.0.0/16", "fd00:96::/112"];
  state.upsert("ServiceCIDR", { name: "kubernetes", cidrs });
  const expected = ["9.0.0.0/24", "10.96.0.0/12", "10.112.0.0/16", "fd00:96::/112"];
  expect([...following.update().capture.serviceCIDRs]).toEqual(expected);
});

interface Event {
  kind: "Service" | "EndpointSlice" | "Node";
  name: string;
  address: string;
  port: number;
  nodeName: string;
  removed: boolean;
  update: boolean;
}

const events: fc.Arbitrary<Event[]> = fc.array(
  fc.record({
    kind: fc.constantFrom("Service", "EndpointSlice", "Node"),
    name: fc.constantFrom("a", "b", "c"),
    address: fc.constantFrom("10.96.0.1", "10.96.0.2", "10.1.1.10", "192.0.2.1"),
    port: fc.constantFrom(80, 443),
    nodeName: fc.constantFrom("node-1", "node-2"),
    removed: fc.boolean(),
    update: fc.boolean(),
  }),
  { maxLength: 40 },
);

function happen(state: ClusterState, event: Event): void {
  const { kind, name, address, port, nodeName } = event;
  if (kind === "Node") {
    if (event.removed) state.remove("Node", "node-1");
    else state.upsert("Node", node(address));
  } else if (kind === "Service") {
    const ports = [{ port, nodePort: port }];
    const spec = { type: "NodePort", clusterIP: address, ports, externalIPs: ["203.0.113.7"] };
    const externalTrafficPolicy = event.update ? "Local" : "Cluster";
    if (event.removed) state.remove("Service", `default/${name}`);
    else state.upsert("Service", service(name, { ...spec, externalTrafficPolicy }));
  } else if (event.removed) state.remove("EndpointSlice", `default/${name}-1`);
  else state.upsert("EndpointSlice", slice(name, { [address]: nodeName }));
}

/** Returns everything in a view, with sorted problems since they have no order. */
function said(following: NodeFollower, known: Map<string, readonly Problem[]>) {
  const { capture, problems } = following.update();
  for (const [key, now] of problems) known.set(key, now);
  const frontends = [...following.view.frontends.values()];
  return {
    frontends: frontends.sort((a, b) => (a.key < b.key ? -1 : 1)),
    captured: [...capture.frontends].sort(([a], [b]) => (a < b ? -1 : 1)),
    clusterIPs: [...capture.clusterIPs].sort(),
    localBackendAddresses: [...capture.localBackendAddresses].sort(),
    problems: [...known.values()]
      .flat()
      .map(({ object, message }) => `${object}: ${message}`)
      .sort(),
  };
}

test("step by step gives the same as from scratch", () => {
  fc.assert(
    fc.property(events, (list) => {
      const state = new ClusterState();
      const stepwise = follower(state);
      const replica = new Map<string, unknown>();
      const known = new Map<string, readonly Problem[]>();
      for (const event of list) {
        happen(state, event);
        if (!event.update) continue;
        const { upserted, removed, problems } = stepwise.update();
        for (const [key, now] of problems) known.set(key, now);
        for (const frontend of upserted) replica.set(frontend.key, frontend);
        for (const key of removed) expect(replica.delete(key)).toBe(true);
        expect(replica).toEqual(new Map(stepwise.view.frontends));
      }
      const last = said(stepwise, known);
      const again = new ClusterState();
      const fromScratch = follower(again);
      again.replaceAll("Service", state.services.values());
      again.replaceAll("Node", state.nodes.values());
      const slices = ["a", "b", "c"].flatMap((name) => state.slicesOf(`default/${name}`));
      again.replaceAll("EndpointSlice", slices.toReversed());
      expect(last).toEqual(said(fromScratch, new Map()));
    }),
  );
});
