import { expect, it } from "vitest";
import { ClusterState } from "../model/cluster-state.ts";
import { serviceFromObject } from "../model/from-service.ts";
import type { Service } from "../model/types.ts";
import { HeldSink } from "./held-sink.ts";

function service(name: string, clusterIP = "10.96.0.1"): Service {
  const { value } = serviceFromObject({
    metadata: { namespace: "shop", name },
    spec: { clusterIP, ports: [{ port: 80 }] },
  });
  if (value === undefined) throw new Error(`${name} is not a Service`);
  return value;
}

it("passes on nothing before it is open, and then everything in its order", () => {
  const state = new ClusterState();
  const sink = new HeldSink(state);
  sink.replaceAll("Service", [service("web"), service("api")]);
  sink.upsert("Service", service("web", "10.96.0.2"));
  sink.remove("Service", "shop/api");
  expect(state.services.size).toBe(0);
  expect(state.isSynced("Service")).toBe(false);
  sink.open();
  expect([...state.services.values()].map(({ clusterIPs }) => clusterIPs)).toEqual([["10.96.0.2"]]);
  expect(state.isSynced("Service")).toBe(true);
});

it("passes on at once what comes later", () => {
  const state = new ClusterState();
  const sink = new HeldSink(state);
  sink.open();
  sink.upsert("Service", service("web"));
  expect([...state.services.keys()]).toEqual(["shop/web"]);
});
