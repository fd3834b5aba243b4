import { expect, it } from "vitest";
import { endpointSliceFromObject } from "../model/from-endpoint-slice.ts";
import { serviceFromObject } from "../model/from-service.ts";
import type { EndpointSlice, Service } from "../model/types.ts";
import { serviceConditions } from "./service-conditions.ts";

function service(spec: object = {}): Service {
  const metadata = { name: "web", namespace: "shop" };
  const ports = [{ name: "http", port: 80 }];
  const all = { clusterIP: "10.96.0.1", selector: { app: "web" }, ports, ...spec };
  return serviceFromObject({ metadata, spec: all }).value as Service;
}

const HTTP = { name: "http", port: 8080, protocol: "TCP" };

function slice(endpoints: object[], ports: object[] = [HTTP], labels: object = {}): EndpointSlice {
  const metadata = { name: "web-1", namespace: "shop", labels };
  const all = endpoints.map((each) => ({ addresses: ["10.1.0.1"], ...each }));
  const json = { metadata, addressType: "IPv4", ports, endpoints: all };
  return endpointSliceFromObject(json).value as EndpointSlice;
}

function reasons(of: Service, ...slices: EndpointSlice[]): string[] {
  return serviceConditions(of, slices).map(({ reason }) => reason);
}

const READY = { conditions: { ready: true } };
const UNREADY = { conditions: { ready: false, serving: false } };

it("says nothing of a Service that somebody answers", () => {
  expect(reasons(service(), slice([READY, UNREADY]))).toEqual([]);
  const leaving = { conditions: { ready: false, serving: true, terminating: true } };
  expect(reasons(service(), slice([leaving]))).toEqual([]);
});

it("tells why there is no endpoint", () => {
  expect(reasons(service(), slice([], []))).toEqual(["SelectorMatchesNothing"]);
  expect(reasons(service())).toEqual(["NoEndpointSlices"]);
  expect(reasons(service({ selector: null }))).toEqual(["NoEndpoints"]);
  expect(reasons(service({ selector: {} }), slice([]))).toEqual(["NoEndpoints"]);
  const headless = { "service.kubernetes.io/headless": "" };
  expect(reasons(service(), slice([READY], [HTTP], headless))).toEqual(["NoEndpointSlices"]);
  const [condition] = serviceConditions(service({ selector: { tier: "b", app: "a" } }), [
    slice([]),
  ]);
  expect(condition?.message).toContain("its selector app=a,tier=b;");
});

it("tells that no endpoint is ready, whatever their number", () => {
  const one = serviceConditions(service(), [slice([UNREADY])]);
  expect(one.map(({ reason }) => reason)).toEqual(["NoReadyEndpoints"]);
  expect(serviceConditions(service(), [slice([UNREADY, UNREADY])])).toEqual(one);
});

it("tells which port no endpoint has: name and protocol must be the Service's", () => {
  const ports = [
    { name: "http", port: 80 },
    { name: "dns", port: 53, protocol: "UDP" },
  ];
  const dns = { name: "dns", port: 53, protocol: "TCP" };
  const conditions = serviceConditions(service({ ports }), [slice([READY], [HTTP, dns])]);
  expect(conditions).toEqual([
    { reason: "TargetPortNotFound", message: expect.stringContaining("port dns (53/UDP)") },
  ]);
  const other = slice([READY], [{ name: "dns", port: 53, protocol: "UDP" }]);
  expect(reasons(service({ ports }), slice([READY]), other)).toEqual([]);
  expect(reasons(service({ ports }), slice([READY]), { ...other, endpoints: [] })).toEqual([
    "TargetPortNotFound",
  ]);
});

it("leaves alone what has no frontend", () => {
  expect(reasons(service({ clusterIP: "None" }))).toEqual([]);
  expect(reasons(service({ type: "ExternalName", clusterIP: undefined }))).toEqual([]);
});
