import { expect, it } from "vitest";
import { ClusterState } from "../model/cluster-state.ts";
import { endpointSliceFromObject } from "../model/from-endpoint-slice.ts";
import { serviceFromObject } from "../model/from-service.ts";
import type { EndpointSlice, Service } from "../model/types.ts";
import { healthCheckAnswer, healthChecksFrom } from "./service-health.ts";
import { ServiceHealthFollower } from "./service-health-follower.ts";

function service(spec: object = {}, metadata: object = {}): Service {
  const json = {
    metadata: { name: "web", namespace: "shop", uid: "7", ...metadata },
    spec: {
      type: "LoadBalancer",
      clusterIP: "10.96.0.1",
      externalTrafficPolicy: "Local",
      healthCheckNodePort: 32000,
      ports: [{ port: 80 }],
      ...spec,
    },
  };
  return serviceFromObject(json).value as Service;
}

function slice(endpoints: object[], fields: object = {}): EndpointSlice {
  const labels = { "kubernetes.io/service-name": "web" };
  return endpointSliceFromObject({
    metadata: { name: "web-1", namespace: "shop", labels },
    addressType: "IPv4",
    ports: [{ name: "", port: 8080 }],
    endpoints,
    ...fields,
  }).value as EndpointSlice;
}

const here = (address: string, conditions = {}) => ({
  addresses: [address],
  nodeName: "node-1",
  conditions,
});

function counts(service: Service, ...slices: EndpointSlice[]): string[] {
  const checks = healthChecksFrom(service, slices, "node-1", undefined);
  return checks.map(({ family, port, localEndpoints }) => `${family} ${port} ${localEndpoints}`);
}

it("counts the ready endpoints of this node by address, whatever their ports", () => {
  const first = slice(
    [
      here("10.1.1.1"),
      here("10.1.1.2", { ready: false, serving: true, terminating: true }),
      here("10.1.1.3", { ready: false }),
      { addresses: ["10.1.2.1"], nodeName: "node-2" },
      { addresses: ["10.1.2.2"] },
    ],
    {
      ports: [
        { name: "a", port: 1 },
        { name: "b", port: 2 },
      ],
    },
  );
  const second = slice([here("10.1.1.1"), here("10.1.1.4")], { ports: [{ name: "c", port: 3 }] });
  const withoutPorts = slice([here("10.1.1.5")], { ports: [] });
  expect(counts(service(), first, second, withoutPorts)).toEqual(["IPv4 32000 2"]);
});

it("counts each family of a dual-stack Service for itself", () => {
  const dual = service({ clusterIPs: ["10.96.0.1", "fd00::1"] });
  const six = slice([here("fd01::1")], { addressType: "IPv6" });
  expect(counts(dual, slice([]), six)).toEqual(["IPv4 32000 0", "IPv6 32000 1"]);
  expect(counts(service(), six)).toEqual(["IPv4 32000 0"]);
});

it("asks for no port where kube-proxy has none", () => {
  expect(counts(service({ externalTrafficPolicy: "Cluster" }))).toEqual([]);
  expect(counts(service({ type: "NodePort" }))).toEqual([]);
  expect(counts(service({ healthCheckNodePort: 0 }))).toEqual([]);
  expect(counts(service({ clusterIP: "None" }))).toEqual([]);
  const labels = { "service.kubernetes.io/service-proxy-name": "other" };
  expect(counts(service({}, { labels }))).toEqual([]);
  expect(counts(service({ allocateLoadBalancerNodePorts: false }))).toEqual(["IPv4 32000 0"]);
});

it("answers in kube-proxy's bytes", () => {
  const [check] = healthChecksFrom(service(), [slice([here("10.1.1.1")])], "node-1", undefined);
  if (!check) throw new Error("no check");
  expect(healthCheckAnswer(check, true)).toEqual({
    status: 200,
    headers: { "x-load-balancing-endpoint-weight": "1" },
    body:
      '{\n\t"service": {\n\t\t"namespace": "shop",\n\t\t"name": "web"\n\t},\n' +
      '\t"localEndpoints": 1,\n\t"serviceProxyHealthy": true\n}',
  });
  expect(healthCheckAnswer(check, false).status).toBe(503);
  expect(healthCheckAnswer({ ...check, localEndpoints: 0 }, true).status).toBe(503);
});

it("follows the cluster, at the Services that changed", () => {
  const state = new ClusterState();
  const options = { nodeName: "node-1", serviceProxyName: undefined };
  const follower = new ServiceHealthFollower(state, options);
  state.upsert("Service", service());
  state.upsert("Service", service({}, { name: "api" }));
  follower.markChanged("shop/web");
  follower.markChanged("shop/api");
  expect(follower.checks().map(({ name }) => name)).toEqual(["api", "web"]);
  const before = follower.checks();
  follower.markChanged("shop/web");
  expect(follower.checks()).toBe(before);
  state.upsert("EndpointSlice", slice([here("10.1.1.1")]));
  follower.markChanged("shop/web");
  expect(follower.checks().map(({ localEndpoints }) => localEndpoints)).toEqual([0, 1]);
  state.remove("Service", "shop/web");
  follower.markChanged("shop/web");
  expect(follower.checks().map(({ name }) => name)).toEqual(["api"]);
});
