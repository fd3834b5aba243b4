import { describe, expect, test } from "vitest";
import type { Endpoint, EndpointSlice, ServicePort } from "../model/types.ts";
import { endpointFates } from "./endpoint-fates.ts";
import { DEFAULT_SETTINGS } from "./frontend-settings.ts";
import type { ThisNode } from "./this-node.ts";

const NODE: ThisNode = {
  name: "node-1",
  zone: "zone-a",
  primaryAddresses: ["192.0.2.1"],
  nodePortAddresses: [],
  defaults: DEFAULT_SETTINGS,
};
const HTTP: ServicePort = { name: "http", protocol: "TCP", port: 80, nodePort: 0 };
const READY = { ready: true, serving: true, terminating: false };
const UNREADY = { ready: false, serving: false, terminating: false };
const LEAVING = { ready: false, serving: true, terminating: true };

let count = 10;
function endpoint(fields: Partial<Endpoint>): Endpoint {
  const where = { nodeName: "node-1", zone: "", zoneHints: [], nodeHints: [] };
  return { address: `10.1.1.${count++}`, ...READY, ...where, ...fields };
}

function slice(endpoints: Endpoint[], fields: Partial<EndpointSlice> = {}): EndpointSlice {
  return {
    namespace: "shop",
    name: "web-1",
    serviceName: "web",
    addressType: "IPv4",
    ports: [{ name: "http", protocol: "TCP", port: 8080 }],
    endpoints,
    headlessLabel: false,
    lastChangeTriggerTime: 0,
    ...fields,
  };
}

/** Returns each endpoint's reason under policy Cluster, and under Local. */
function reasons(endpoints: Endpoint[]): (string | undefined)[][] {
  const fates = endpointFates([slice(endpoints)], "IPv4", HTTP, NODE).endpoints;
  return fates.map(({ leftOut }) => [leftOut.Cluster, leftOut.Local]);
}

describe("why an endpoint is left out", () => {
  test("it is not ready, or not here", () => {
    const list = [endpoint({}), endpoint(UNREADY), endpoint({ nodeName: "node-2" })];
    expect(reasons(list)).toEqual([
      [undefined, undefined],
      ["not-ready", "not-ready"],
      [undefined, "not-local"],
    ]);
  });

  test("none is ready, and it does not serve until it is gone", () => {
    const list = [endpoint(LEAVING), endpoint(UNREADY)];
    expect(reasons(list)).toEqual([
      [undefined, undefined],
      ["not-serving", "not-serving"],
    ]);
  });

  test("a ready one elsewhere does not count among the local ones", () => {
    const list = [endpoint(LEAVING), endpoint({ nodeName: "node-2" })];
    expect(reasons(list)).toEqual([
      ["not-ready", undefined],
      [undefined, "not-local"],
    ]);
  });

  test("hints: for another node, for another zone", () => {
    const forNode = [
      endpoint({ nodeHints: ["node-1"], zoneHints: ["zone-a"] }),
      endpoint({ nodeHints: ["node-2"], zoneHints: ["zone-a"] }),
    ];
    expect(reasons(forNode).map(([cluster]) => cluster)).toEqual([undefined, "node-hints"]);
    const forZone = [endpoint({ zoneHints: ["zone-b"] }), endpoint({ zoneHints: ["zone-a"] })];
    expect(reasons(forZone).map(([cluster]) => cluster)).toEqual(["zone-hints", undefined]);
  });
});

test("slices that do not count, and why", () => {
  const slices = [
    slice([endpoint({})], { name: "good" }),
    slice([endpoint({})], { name: "v6", addressType: "IPv6" }),
    slice([endpoint({})], { name: "headless", headlessLabel: true }),
    slice([endpoint({})], { name: "other", ports: [{ name: "web", protocol: "TCP", port: 1 }] }),
  ];
  const fates = endpointFates(slices, "IPv4", HTTP, NODE);
  expect(fates.endpoints).toHaveLength(1);
  expect(fates.slices.map(({ slice: { name }, reason }) => `${name}: ${reason}`)).toEqual([
    "v6: other-family",
    "headless: headless-label",
    "other: no-such-port",
  ]);
});
