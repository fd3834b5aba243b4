import { expect, it } from "vitest";
import { endpointSliceFromObject } from "../model/from-endpoint-slice.ts";
import { serviceFromObject } from "../model/from-service.ts";
import type { EndpointSlice, Service } from "../model/types.ts";
import { DEFAULT_SETTINGS } from "./frontend-settings.ts";
import { NodeDependents } from "./node-dependents.ts";
import type { ThisNode } from "./this-node.ts";

const NODE: ThisNode = {
  name: "node-1",
  zone: "zone-a",
  primaryAddresses: ["192.0.2.1"],
  nodePortAddresses: ["192.0.2.1"],
  defaults: DEFAULT_SETTINGS,
};

function service(spec: object, annotations: object = {}): Service {
  const whole = { clusterIP: "10.96.0.1", ports: [{ port: 80 }], ...spec };
  return serviceFromObject({ metadata: { name: "web", annotations }, spec: whole })
    .value as Service;
}

function slice(hints: object): EndpointSlice {
  return endpointSliceFromObject({
    metadata: { name: "web-1", labels: { "kubernetes.io/service-name": "web" } },
    addressType: "IPv4",
    ports: [{ port: 8080 }],
    endpoints: [{ addresses: ["10.1.1.1"] }, { addresses: ["10.1.1.2"], hints }],
  }).value as EndpointSlice;
}

it("names the Services that depend on what changed of the node, and no other", () => {
  const dependents = new NodeDependents();
  const plain = service({});
  const hints = { forNodes: [{ name: "node-2" }] };
  dependents.note("plain", plain, [slice(hints)], DEFAULT_SETTINGS);
  dependents.note(
    "hinted",
    plain,
    [slice({}), slice({ forZones: [{ name: "zone-b" }] })],
    DEFAULT_SETTINGS,
  );
  const ports = [{ port: 80, nodePort: 30080 }];
  dependents.note("node port", service({ type: "NodePort", ports }), [slice({})], DEFAULT_SETTINGS);
  const loadBalancerSourceRanges = ["192.0.2.0/24"];
  const ranges = service({ type: "LoadBalancer", loadBalancerSourceRanges });
  dependents.note("ranges", ranges, [], DEFAULT_SETTINGS);
  const affected = (after: Partial<ThisNode>) => {
    return [...dependents.affectedBy(NODE, { ...NODE, ...after })];
  };
  expect(affected({})).toEqual([]);
  expect(affected({ zone: "zone-b" })).toEqual(["hinted"]);
  expect(affected({ primaryAddresses: [] })).toEqual(["ranges"]);
  expect(affected({ nodePortAddresses: [] })).toEqual(["node port"]);
  dependents.note("hinted", plain, [slice({})], DEFAULT_SETTINGS);
  dependents.note("ranges", undefined, [], DEFAULT_SETTINGS);
  const other = { zone: "zone-b", primaryAddresses: [], nodePortAddresses: [] };
  expect(affected(other)).toEqual(["node port"]);
});

it("knows that failover goes by the node's zone, unless the Service names the preferred", () => {
  const dependents = new NodeDependents();
  const failover = { "portico.dev/balancing": "failover" };
  const named = { ...failover, "portico.dev/preferred-backends": "web-0" };
  const byDefault = { ...DEFAULT_SETTINGS, balancing: "failover" } as const;
  dependents.note("own", service({}, failover), [slice({})], DEFAULT_SETTINGS);
  dependents.note("named", service({}, named), [slice({})], DEFAULT_SETTINGS);
  dependents.note("default", service({}), [slice({})], byDefault);
  dependents.note("plain", service({}), [slice({})], DEFAULT_SETTINGS);
  const affected = dependents.affectedBy(NODE, { ...NODE, zone: "zone-b" });
  expect([...affected]).toEqual(["own", "default"]);
});
