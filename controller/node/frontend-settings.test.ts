// Annotations of a Service → what applies to its frontends and endpoints.

import { describe, expect, it } from "vitest";
import { endpointSliceFromObject } from "../model/from-endpoint-slice.ts";
import { serviceFromObject } from "../model/from-service.ts";
import type { EndpointSlice, Service } from "../model/types.ts";
import { DEFAULT_SETTINGS } from "./frontend-settings.ts";
import { serviceViewFrom } from "./frontends.ts";
import { NodeView } from "./node-view.ts";
import type { ThisNode } from "./this-node.ts";
import type { FrontendSettings, ServiceView } from "./types.ts";

const NODE: ThisNode = {
  name: "node-1",
  zone: "zone-a",
  primaryAddresses: ["192.0.2.1"],
  nodePortAddresses: ["192.0.2.1"],
  defaults: DEFAULT_SETTINGS,
};
const SLICE = endpointSliceFromObject({
  metadata: { name: "web-1", labels: { "kubernetes.io/service-name": "web" } },
  addressType: "IPv4",
  ports: [{ port: 8080 }],
  endpoints: ["zone-a", "zone-b", "zone-a"].map((zone, index) => ({
    addresses: [`10.1.1.${index + 1}`],
    nodeName: "node-2",
    zone,
    targetRef: { kind: "Pod", name: ["web-0", "web-canary-7", "web-1"][index] },
  })),
}).value as EndpointSlice;

function view(
  annotations: Record<string, string>,
  node: ThisNode = NODE,
  slice: EndpointSlice = SLICE,
): ServiceView {
  const own = Object.entries(annotations).map(([name, value]) => [`portico.dev/${name}`, value]);
  const metadata = { name: "web", annotations: Object.fromEntries(own) };
  const spec = {
    type: "NodePort",
    clusterIP: "10.96.0.1",
    ports: [{ port: 80, nodePort: 30080 }],
  };
  const service = serviceFromObject({ metadata, spec }).value as Service;
  return serviceViewFrom(service, [slice], node, undefined) as ServiceView;
}

function backends(...args: Parameters<typeof view>) {
  return view(...args).frontends[0]?.backends.map(({ address, weight, isPreferred }) => {
    return [address.slice(-1), weight, isPreferred];
  });
}

describe("what applies to frontends", () => {
  it("is the node's default where the Service says nothing, and one object for all", () => {
    const defaults: FrontendSettings = { ...DEFAULT_SETTINGS, balancing: "round-robin" };
    const { frontends } = view({}, { ...NODE, defaults });
    expect(frontends.map(({ settings }) => settings === defaults)).toEqual([true, true]);
  });

  it("is the Service's where it says something, and the default for the rest", () => {
    const node = { ...NODE, defaults: { ...DEFAULT_SETTINGS, maxConnections: 9, ejection: false } };
    const { frontends } = view({ balancing: "round-robin" }, node);
    expect(frontends[0]?.settings).toEqual({ ...node.defaults, balancing: "round-robin" });
    expect(frontends[1]?.settings).toBe(frontends[0]?.settings);
    const own = view({ ejection: "on", "max-connections": "4" }, node).frontends[0]?.settings;
    expect(own).toEqual({ ...DEFAULT_SETTINGS, maxConnections: 4 });
  });

  it("reaches the table when it alone changes, and nothing else does", () => {
    const nodeView = new NodeView();
    nodeView.apply([["default/web", view({})]]);
    const change = nodeView.apply([["default/web", view({ balancing: "round-robin" })]]);
    expect(change.upserted.map(({ key }) => key)).toEqual([
      "10.96.0.1:80/TCP",
      "192.0.2.1:30080/TCP",
    ]);
    const again = nodeView.apply([["default/web", view({ balancing: "round-robin" })]]);
    expect([again.upserted, again.removed]).toEqual([[], []]);
  });
});

describe("what applies to endpoints", () => {
  it("is nothing with most balancings", () => {
    const plain = { address: "10.1.1.1", port: 8080, local: false };
    for (const annotations of [{}, { balancing: "least-connections" }]) {
      expect(view(annotations as Record<string, string>).frontends[0]?.backends[0]).toEqual(plain);
    }
  });

  it("is the weight of the first entry that matches; 1 is not said", () => {
    const weights = "10.1.1.3=1, web-canary-*=2, 10.1.0.0/16=20, web-1=9";
    expect(backends({ weights })).toEqual([
      ["1", 20, undefined],
      ["2", 2, undefined],
      ["3", undefined, undefined],
    ]);
    expect(backends({ weights: "web=5, canary=6" })?.map(([, weight]) => weight)).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("is whether failover prefers it: in the node's zone, or named", () => {
    const isPreferred = (...args: Parameters<typeof view>) => {
      return backends(...args)?.map(([, , preferred]) => preferred === true);
    };
    expect(isPreferred({ balancing: "failover" })).toEqual([true, false, true]);
    const named = { "preferred-backends": "web-canary-*" };
    expect(isPreferred(named)).toEqual([false, true, false]);
    const nowhere = { ...NODE, zone: "" };
    expect(isPreferred({ balancing: "failover" }, nowhere)).toEqual([false, false, false]);
  });

  it("reaches the table when a Pod of another name takes an address", () => {
    const nodeView = new NodeView();
    const weights = "web-canary-*=2";
    nodeView.apply([["default/web", view({ weights })]]);
    const endpoints = SLICE.endpoints.map((each) => ({ ...each, podName: "web-canary-8" }));
    const changed = view({ weights }, NODE, { ...SLICE, endpoints });
    expect(nodeView.apply([["default/web", changed]]).upserted).toHaveLength(2);
  });
});

it("says of UDP ports which balancings are for TCP only, where a Service asks for one", () => {
  const problems = (balancing: string) => {
    const metadata = { name: "dns", annotations: { "portico.dev/balancing": balancing } };
    const ports = ["TCP", "UDP"].map((protocol) => ({ name: protocol, protocol, port: 53 }));
    const { value } = serviceFromObject({ metadata, spec: { clusterIP: "10.96.0.1", ports } });
    return serviceViewFrom(value as Service, [], NODE, undefined)?.problems ?? [];
  };
  expect(problems("least-connections")).toEqual([
    {
      object: "Service default/dns",
      reason: "SettingRefused",
      message:
        "UDP port 53: balancing least-connections is for TCP only, so its backends are picked at " +
        "random; for UDP there are round-robin, client-hash and weighted",
    },
  ]);
  expect(problems("failover")).toHaveLength(1);
  expect(problems("round-robin")).toEqual([]);
});
