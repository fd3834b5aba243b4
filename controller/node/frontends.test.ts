import { describe, expect, test } from "vitest";
import { endpointSliceFromObject } from "../model/from-endpoint-slice.ts";
import { serviceFromObject } from "../model/from-service.ts";
import type { EndpointSlice, Service } from "../model/types.ts";
import { serviceViewFrom } from "./frontends.ts";
import type { ThisNode } from "./this-node.ts";
import type { Frontend, ServiceView } from "./types.ts";

const NODE: ThisNode = { name: "node-1", zone: "", nodePortAddresses: ["192.0.2.1"] };

function service(spec: object, labels: object = {}): Service {
  const json = {
    metadata: { name: "web", labels },
    spec: { clusterIP: "10.96.0.1", ports: [{ name: "http", port: 80 }], ...spec },
  };
  return serviceFromObject(json).value as Service;
}

function slice(endpoints: object[], fields: object = {}, labels: object = {}): EndpointSlice {
  return endpointSliceFromObject({
    metadata: { name: "web-1", labels: { "kubernetes.io/service-name": "web", ...labels } },
    addressType: "IPv4",
    ports: [{ name: "http", port: 8080 }],
    endpoints,
    ...fields,
  }).value as EndpointSlice;
}

function view(spec: object, ...slices: EndpointSlice[]): ServiceView {
  return serviceViewFrom(service(spec), slices, NODE, undefined) as ServiceView;
}

function shown(frontend: Frontend): string {
  const backends = frontend.backends.map(
    ({ address, port, local }) => `${address}:${port}${local ? " (local)" : ""}`,
  );
  return `${frontend.key} ${frontend.verdict} ${backends.join(", ")}`.trimEnd();
}

const ready = (address: string, nodeName = "node-2") => ({ addresses: [address], nodeName });

test("a cluster IP keeps the source, a node port masquerades, they share their backends", () => {
  const { frontends, clusterIPs, problems } = view(
    { type: "NodePort", ports: [{ name: "http", port: 80, nodePort: 30080 }] },
    slice([ready("10.1.2.10"), ready("10.1.1.10", "node-1")]),
  );
  expect(frontends.map(shown)).toEqual([
    "10.96.0.1:80/TCP keep 10.1.1.10:8080 (local), 10.1.2.10:8080",
    "192.0.2.1:30080/TCP masquerade 10.1.1.10:8080 (local), 10.1.2.10:8080",
  ]);
  expect(frontends[0]?.backends).toBe(frontends[1]?.backends);
  expect(frontends[0]).toMatchObject({ namespace: "default", service: "web", portName: "http" });
  expect([clusterIPs, problems]).toEqual([["10.96.0.1"], []]);
});

test("backends are sorted by address and port, and merged over slices", () => {
  const first = slice([ready("10.1.2.10"), ready("9.0.0.1"), ready("10.1.2.9")]);
  const second = slice([ready("10.1.2.9"), ready("10.1.2.8")], {
    ports: [
      { name: "http", port: 8080 },
      { name: "http", port: 80 },
      { name: "http", port: 8080, protocol: "UDP" },
      { name: "other", port: 81 },
    ],
  });
  const expected = [
    "10.96.0.1:80/TCP keep 9.0.0.1:8080, 10.1.2.8:80, 10.1.2.8:8080, " +
      "10.1.2.9:80, 10.1.2.9:8080, 10.1.2.10:8080",
  ];
  expect(view({}, first, second).frontends.map(shown)).toEqual(expected);
  expect(view({}, second, first).frontends.map(shown)).toEqual(expected);
});

describe("of an endpoint that stands in two slices", () => {
  const unready = { addresses: ["10.1.1.10"], nodeName: "node-1", conditions: { ready: false } };
  test.each([
    ["the ready one counts", unready, ready("10.1.1.10", "node-1"), " (local)"],
    ["the local one counts", ready("10.1.1.10"), ready("10.1.1.10", "node-1"), " (local)"],
  ])("%s", (_, one, other, suffix) => {
    const expected = [`10.96.0.1:80/TCP keep 10.1.1.10:8080${suffix}`];
    expect(view({}, slice([one]), slice([other])).frontends.map(shown)).toEqual(expected);
    expect(view({}, slice([other]), slice([one])).frontends.map(shown)).toEqual(expected);
  });
});

test("slices of another family or with the headless label do not count", () => {
  const six = slice([ready("fd00::1")], { addressType: "IPv6" });
  const headless = slice([ready("10.1.2.10")], {}, { "service.kubernetes.io/headless": "" });
  expect(view({}, six, headless).frontends.map(shown)).toEqual(["10.96.0.1:80/TCP refuse"]);
});

test("internalTrafficPolicy Local: local backends, or dropped", () => {
  const spec = { internalTrafficPolicy: "Local" };
  const both = slice([ready("10.1.1.10", "node-1"), ready("10.1.2.10")]);
  const remote = slice([ready("10.1.2.10")]);
  expect(view(spec, both).frontends.map(shown)).toEqual([
    "10.96.0.1:80/TCP keep 10.1.1.10:8080 (local)",
  ]);
  expect(view(spec, remote).frontends.map(shown)).toEqual(["10.96.0.1:80/TCP drop"]);
  expect(view(spec).frontends.map(shown)).toEqual(["10.96.0.1:80/TCP refuse"]);
});

test("session affinity is handed on", () => {
  expect(view({ sessionAffinity: "ClientIP" }).frontends[0]?.affinityTimeoutSeconds).toBe(10_800);
});

describe("not served", () => {
  const label = (name: string, value: string) => ({ [`service.kubernetes.io/${name}`]: value });
  test.each<[string, object, object]>([
    ["headless", { clusterIP: "None" }, {}],
    ["without a cluster IP", { clusterIP: "" }, {}],
    ["ExternalName", { type: "ExternalName", externalName: "example.org" }, {}],
    ["with the headless label", {}, label("headless", "")],
    ["of another proxy", {}, label("service-proxy-name", "other")],
    ["of a proxy without a name", {}, label("service-proxy-name", "")],
  ])("%s", (_, spec, labels) => {
    const each = service(spec, labels);
    expect(serviceViewFrom(each, [slice([ready("10.1.2.10")])], NODE, undefined)).toBeUndefined();
  });

  test("another proxy's, seen by that proxy, which leaves the rest alone", () => {
    const labelled = service({}, label("service-proxy-name", "portico"));
    expect(serviceViewFrom(labelled, [], NODE, "portico")).toBeDefined();
    expect(serviceViewFrom(service({}), [], NODE, "portico")).toBeUndefined();
  });
});

describe("problems", () => {
  test("a protocol that is not carried is said, and the other ports are served", () => {
    const ports = [
      { name: "dns", port: 53, protocol: "UDP" },
      { name: "dns-tcp", port: 53, protocol: "TCP" },
    ];
    const { frontends, clusterIPs, problems } = view({ ports });
    expect(frontends.map(({ key }) => key)).toEqual(["10.96.0.1:53/TCP"]);
    expect(clusterIPs).toEqual(["10.96.0.1"]);
    expect(problems).toEqual([
      { object: "Service default/web", message: "not carried yet: UDP port 53 (dns)" },
    ]);
  });

  test("addresses of a family that is not carried are left alone", () => {
    const { frontends, clusterIPs, problems } = view({ clusterIPs: ["fd00::1", "10.96.0.1"] });
    expect(frontends.map(({ key }) => key)).toEqual(["10.96.0.1:80/TCP"]);
    expect([clusterIPs, problems]).toEqual([["10.96.0.1"], []]);
  });

  test("a node port without an address of this node", () => {
    const spec = { type: "NodePort", ports: [{ port: 80, nodePort: 30080 }] };
    const unknown = { ...NODE, nodePortAddresses: [] };
    const result = serviceViewFrom(service(spec), [], unknown, undefined);
    expect(result?.frontends).toHaveLength(1);
    expect(result?.problems[0]?.message).toContain("node port 30080 is not served: Node node-1");
  });

  test("two ports that claim the same frontend", () => {
    const ports = [
      { name: "http", port: 80 },
      { name: "web", port: 80 },
    ];
    const { frontends, problems } = view({ ports });
    expect(frontends.map(({ portName }) => portName)).toEqual(["http"]);
    expect(problems.map(({ message }) => message)).toEqual([
      "two of its ports claim 10.96.0.1:80/TCP",
    ]);
  });
});
