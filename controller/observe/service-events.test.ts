import { expect, it } from "vitest";
import { countReads } from "../../test/stand-ins/counted-reads.ts";
import { ClusterState } from "../model/cluster-state.ts";
import { endpointSliceFromObject } from "../model/from-endpoint-slice.ts";
import { serviceFromObject } from "../model/from-service.ts";
import type { EndpointSlice, Service } from "../model/types.ts";
import { ServiceEvents } from "./service-events.ts";

const GRACE_MS = 60_000;

let state: ClusterState;

/** A follower with a state of its own, a clock that stands still until moved, and its reports. */
function world(random = 0) {
  const timers = new Map<() => void, number>();
  const clock = {
    time: 0,
    now: () => clock.time,
    after: (delayMs: number, callback: () => void) => {
      timers.set(callback, clock.time + delayMs);
      return () => timers.delete(callback);
    },
  };
  const pass = (milliseconds: number) => {
    const end = clock.time + milliseconds;
    for (;;) {
      const [next] = [...timers].filter(([, at]) => at <= end).sort(([, a], [, b]) => a - b);
      if (!next) break;
      timers.delete(next[0]);
      clock.time = next[1];
      next[0]();
    }
    clock.time = end;
  };
  const told: string[] = [];
  state = new ClusterState((kind, before, after) => {
    const object = (after ?? before) as Service & EndpointSlice;
    events.markChanged(`shop/${kind === "Service" ? object.name : object.serviceName}`);
  });
  const events = new ServiceEvents({
    state,
    isServed: ({ serviceProxyName }) => serviceProxyName === undefined,
    graceMs: GRACE_MS,
    clock,
    random: () => random,
    record: ({ subject, reason }) => told.push(`${subject.name} ${subject.uid} ${reason}`),
  });
  return { events, pass, told, timers };
}

function putService(name = "web", uid = "7", labels: object = {}): void {
  const metadata = { name, namespace: "shop", uid, labels };
  const spec = { clusterIP: "10.96.0.1", selector: { app: "web" }, ports: [{ port: 80 }] };
  state.upsert("Service", serviceFromObject({ metadata, spec }).value as Service);
}

function putSlice(ready?: boolean, service = "web"): void {
  const labels = { "kubernetes.io/service-name": service };
  const metadata = { name: `${service}-1`, namespace: "shop", labels };
  const conditions = { ready, serving: ready };
  const endpoints = ready === undefined ? [] : [{ addresses: ["10.1.0.1"], conditions }];
  const slice = { metadata, addressType: "IPv4", ports: [{ port: 8080 }], endpoints };
  state.upsert("EndpointSlice", endpointSliceFromObject(slice).value as EndpointSlice);
}

it("tells what lasts, once", () => {
  const { events, pass, told, timers } = world();
  putService();
  putSlice();
  events.update();
  pass(GRACE_MS - 1);
  expect(told).toEqual([]);
  pass(1);
  expect(told).toEqual(["web 7 SelectorMatchesNothing"]);
  putService("web", "7", { a: "b" });
  events.update();
  pass(10 * GRACE_MS);
  expect(told).toHaveLength(1);
  expect(timers.size).toBe(0);
});

it("keeps quiet about a new Service and a rolling update", () => {
  const { events, pass, told, timers } = world();
  putService();
  events.update();
  pass(GRACE_MS / 2);
  putSlice();
  events.update();
  pass(GRACE_MS / 2);
  putSlice(false);
  events.update();
  pass(GRACE_MS / 2);
  putSlice(true);
  events.update();
  pass(10 * GRACE_MS);
  expect(told).toEqual([]);
  expect(timers.size).toBe(0);
});

it("forgets what has ended: it has its grace again when it comes back", () => {
  const { events, pass, told } = world();
  putService();
  for (const round of [1, 2]) {
    putSlice();
    events.update();
    pass(GRACE_MS - 1);
    expect(told).toHaveLength(round - 1);
    pass(1);
    expect(told).toHaveLength(round);
    putSlice(true);
    events.update();
    pass(1);
  }
});

it("tells of another cause when that lasts too", () => {
  const { events, pass, told } = world();
  putService();
  putSlice();
  events.update();
  pass(GRACE_MS);
  putSlice(false);
  events.update();
  pass(GRACE_MS);
  expect(told).toEqual(["web 7 SelectorMatchesNothing", "web 7 NoReadyEndpoints"]);
});

it("forgets a Service that is gone, and one that another proxy serves", () => {
  const { events, pass, told } = world();
  putService("gone");
  putService("other", "8", { "service.kubernetes.io/service-proxy-name": "kpng" });
  events.update();
  state.remove("Service", "shop/gone");
  events.update();
  pass(10 * GRACE_MS);
  expect(told).toEqual([]);
});

it("spreads what it has to tell", () => {
  const { events, pass, told } = world();
  for (let number = 0; number < 25; number++) putService(`web-${number}`);
  events.update();
  pass(GRACE_MS);
  expect(told).toHaveLength(10);
  pass(10_000);
  expect(told).toHaveLength(20);
  pass(10_000);
  expect(told).toHaveLength(25);
  expect(new Set(told).size).toBe(25);
});

it("lets chance put it off, by the grace time at most", () => {
  const { events, pass, told } = world(0.5);
  putService();
  events.update();
  pass(GRACE_MS * 1.5 - 1);
  expect(told).toEqual([]);
  pass(1);
  expect(told).toHaveLength(1);
});

it("says nothing more when it stops", () => {
  const { events, pass, told } = world();
  putService();
  events.update();
  events.stop();
  events.update();
  pass(10 * GRACE_MS);
  expect(told).toEqual([]);
});

it("looks at what changed, and not at the other conditions", async () => {
  const readsAmong = (count: number) => {
    const { events } = world();
    for (let number = 0; number < count; number++) putService(`service-${number}`);
    events.update();
    putService("new");
    return countReads(async () => events.update());
  };
  expect(await readsAmong(500)).toBe(await readsAmong(5));
});
