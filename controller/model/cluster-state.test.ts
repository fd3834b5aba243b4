import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ClusterState, objectKey } from "./cluster-state.ts";
import { endpointSliceFromObject } from "./from-endpoint-slice.ts";
import { serviceFromObject } from "./from-service.ts";
import type { EndpointSlice, Service } from "./types.ts";
import { KINDS } from "./types.ts";

function service(name: string, port = 80): Service {
  const json = { metadata: { name }, spec: { clusterIP: "10.96.0.1", ports: [{ port }] } };
  return serviceFromObject(json).value as Service;
}

function slice(name: string, serviceName: string, address = "10.1.1.1"): EndpointSlice {
  return endpointSliceFromObject({
    metadata: { name, labels: { "kubernetes.io/service-name": serviceName } },
    addressType: "IPv4",
    endpoints: [{ addresses: [address], nodeName: "node-1" }],
    ports: [{ port: 80 }],
  }).value as EndpointSlice;
}

function changedServices(state: ClusterState): string[] {
  return [...state.takeChanges().services].sort();
}

describe("changes", () => {
  test("a Service is dirty when it or a slice of it changes, and only until it is taken", () => {
    const state = new ClusterState();
    state.upsert("Service", service("a"));
    state.upsert("EndpointSlice", slice("b-1", "b"));
    expect(changedServices(state)).toEqual(["default/a", "default/b"]);
    expect(changedServices(state)).toEqual([]);
    state.remove("EndpointSlice", "default/b-1");
    state.remove("EndpointSlice", "default/never-there");
    expect(changedServices(state)).toEqual(["default/b"]);
    expect(state.slicesOf("default/b")).toEqual([]);
  });

  test("an object that says the same is no change", () => {
    const state = new ClusterState();
    state.upsert("Service", service("a"));
    state.upsert("EndpointSlice", slice("a-1", "a"));
    state.takeChanges();
    state.upsert("Service", service("a"));
    state.upsert("EndpointSlice", slice("a-1", "a"));
    expect(changedServices(state)).toEqual([]);
    state.upsert("Service", service("a", 81));
    expect(changedServices(state)).toEqual(["default/a"]);
  });

  test("a slice that moves to another Service makes both dirty", () => {
    const state = new ClusterState();
    state.upsert("EndpointSlice", slice("x", "a"));
    state.takeChanges();
    state.upsert("EndpointSlice", slice("x", "b"));
    expect(changedServices(state)).toEqual(["default/a", "default/b"]);
    expect(state.slicesOf("default/a")).toEqual([]);
    expect(state.slicesOf("default/b")).toHaveLength(1);
  });

  test("a slice without the label belongs to no Service", () => {
    const state = new ClusterState();
    state.upsert("EndpointSlice", slice("x", ""));
    expect(changedServices(state)).toEqual([]);
    expect(state.slicesOf("default/")).toEqual([]);
  });

  test("Nodes and Service CIDRs have their own", () => {
    const state = new ClusterState();
    state.upsert("ServiceCIDR", { name: "kubernetes", cidrs: ["10.96.0.0/16"] });
    state.upsert("Node", {
      name: "node-1",
      addresses: [],
      podCIDRs: [],
      labels: {},
      taintKeys: [],
      deleting: false,
    });
    const changes = state.takeChanges();
    expect(changes.serviceCIDRs).toBe(true);
    expect([...changes.nodes]).toEqual(["node-1"]);
    expect(state.takeChanges()).toMatchObject({ serviceCIDRs: false });
  });
});

test("a list replaces a kind, marks it synced, and touches only what differs", () => {
  const state = new ClusterState();
  state.replaceAll("Service", [service("a"), service("b")]);
  expect(state.isSynced("Service")).toBe(true);
  expect(state.isSynced()).toBe(false);
  state.takeChanges();
  state.replaceAll("Service", [service("a"), service("c")]);
  expect(changedServices(state)).toEqual(["default/b", "default/c"]);
  expect([...state.services.keys()].sort()).toEqual(["default/a", "default/c"]);
  for (const kind of KINDS) state.replaceAll(kind, []);
  expect(state.isSynced()).toBe(true);
});

test("repeated texts are stored once", () => {
  const state = new ClusterState();
  const text = () => ["a-node-", "name"].join("");
  for (const name of ["x", "y"]) {
    const each = slice(name, "a");
    for (const endpoint of each.endpoints) endpoint.nodeName = text();
    state.upsert("EndpointSlice", each);
  }
  const names = state.slicesOf("default/a").flatMap(({ endpoints }) => endpoints);
  expect(names.map(({ nodeName }) => nodeName)).toEqual([text(), text()]);
});

test("any order of events leads to the same store", () => {
  const events = fc.array(
    fc.record({
      name: fc.constantFrom("x", "y", "z"),
      service: fc.constantFrom("a", "b", ""),
      address: fc.constantFrom("10.1.1.1", "10.1.1.2"),
      removed: fc.boolean(),
    }),
  );
  fc.assert(
    fc.property(events, (list) => {
      const state = new ClusterState();
      const plain = new Map<string, EndpointSlice>();
      for (const event of list) {
        const each = slice(event.name, event.service, event.address);
        if (event.removed) {
          state.remove("EndpointSlice", objectKey(each));
          plain.delete(objectKey(each));
        } else {
          state.upsert("EndpointSlice", each);
          plain.set(objectKey(each), each);
        }
      }
      for (const name of ["a", "b"]) {
        const expected = [...plain.values()].filter(({ serviceName }) => serviceName === name);
        expected.sort((a, b) => (a.name < b.name ? -1 : 1));
        expect(state.slicesOf(`default/${name}`)).toEqual(expected);
      }
    }),
  );
});
