import { expect, it } from "vitest";
import { endpointSliceFromObject } from "../model/from-endpoint-slice.ts";
import { serviceFromObject } from "../model/from-service.ts";
import type { EndpointSlice, Service } from "../model/types.ts";
import { localPolicyGaps } from "./local-policy-gaps.ts";

function gaps(spec: object, ...endpoints: object[]): string[] {
  const ports = [{ port: 80, nodePort: 30080 }];
  const service = serviceFromObject({
    metadata: { name: "web" },
    spec: { clusterIP: "10.96.0.1", ports, ...spec },
  }).value as Service;
  const slice = endpointSliceFromObject({
    metadata: { name: "web-1", labels: { "kubernetes.io/service-name": "web" } },
    addressType: "IPv4",
    ports: [{ name: "", port: 8080 }],
    endpoints,
  }).value as EndpointSlice;
  const found = localPolicyGaps(service, [slice], "node-1");
  return found.map(({ family, policy }) => `${family} ${policy}`);
}

const LOCAL = { internalTrafficPolicy: "Local", externalTrafficPolicy: "Local" };
const here = { addresses: ["10.1.1.1"], nodeName: "node-1" };
const elsewhere = { addresses: ["10.1.2.1"], nodeName: "node-2" };
const going = { ready: false, serving: true, terminating: true };

it("counts a Local policy whose endpoints are all elsewhere", () => {
  expect(gaps({ ...LOCAL, type: "NodePort" }, elsewhere)).toEqual([
    "IPv4 internal",
    "IPv4 external",
  ]);
  expect(gaps({ ...LOCAL, type: "NodePort" }, elsewhere, here)).toEqual([]);
});

it("counts nothing where nobody has an endpoint, for that is refused", () => {
  expect(gaps({ ...LOCAL, type: "NodePort" })).toEqual([]);
});

it("takes a terminating endpoint that serves for a local one", () => {
  expect(gaps({ ...LOCAL, type: "NodePort" }, elsewhere, { ...here, conditions: going })).toEqual(
    [],
  );
});

it("counts an external policy only where there is something external", () => {
  expect(gaps({ ...LOCAL, type: "ClusterIP" }, elsewhere)).toEqual(["IPv4 internal"]);
  const external = { ...LOCAL, type: "ClusterIP", externalIPs: ["192.0.2.1"] };
  expect(gaps(external, elsewhere)).toEqual(["IPv4 internal", "IPv4 external"]);
  expect(gaps({ type: "NodePort" }, elsewhere)).toEqual([]);
});
