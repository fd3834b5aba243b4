import { describe, expect, test } from "vitest";
import { endpointSliceFromObject } from "../model/from-endpoint-slice.ts";
import { serviceFromObject } from "../model/from-service.ts";
import type { EndpointSlice, Service } from "../model/types.ts";
import { DEFAULT_SETTINGS } from "./frontend-settings.ts";
import { serviceViewFrom } from "./frontends.ts";
import type { ThisNode } from "./this-node.ts";
import type { Frontend, ServiceView } from "./types.ts";

const NODE: ThisNode = {
  name: "node-1",
  zone: "",
  primaryAddresses: ["192.0.2.1"],
  nodePortAddresses: ["192.0.2.1"],
  defaults: DEFAULT_SETTINGS,
};

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
  const conditions = { ready: true, serving: true, terminating: true };
  const terminating = { ...ready("10.1.1.10", "node-1"), conditions };
  test.each([
    ["the ready one counts", unready, ready("10.1.1.10", "node-1"), " (local)"],
    ["the one that stays counts", terminating, ready("10.1.1.10"), ""],
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

test("each family is served by the endpoints of its own", () => {
  const spec = { clusterIPs: ["fd00::1", "10.96.0.1"] };
  const six = slice([ready("fd00:1::10")], { addressType: "IPv6" });
  const { frontends, clusterIPs, problems } = view(spec, six);
  expect(frontends.map(shown)).toEqual([
    "10.96.0.1:80/TCP refuse",
    "[fd00::1]:80/TCP keep fd00:1::10:8080",
  ]);
  expect([clusterIPs, problems]).toEqual([["fd00::1", "10.96.0.1"], []]);
});

describe("external doors", () => {
  const spec = {
    type: "LoadBalancer",
    ports: [{ name: "http", port: 80, nodePort: 30080 }],
    externalIPs: ["203.0.113.7", "203.0.113.8", "fd00:e::7"],
  };
  const status = {
    loadBalancer: {
      ingress: [
        { ip: "203.0.113.8" },
        { ip: "203.0.113.9", ipMode: "VIP" },
        { ip: "203.0.113.10", ipMode: "Proxy" },
        { hostname: "lb.example.org" },
      ],
    },
  };

  function views(own: object, ...slices: EndpointSlice[]): string[] {
    const metadata = { name: "web" };
    const json = { metadata, spec: { clusterIP: "10.96.0.1", ...spec, ...own }, status };
    const parsed = serviceFromObject(json).value as Service;
    const result = serviceViewFrom(parsed, slices, NODE, undefined);
    expect(result?.problems).toEqual([]);
    return (result?.frontends ?? []).map(({ kind, key, verdict, backends, localBackends }) =>
      [kind, key, verdict, backends.length, localBackends.length].join(" "),
    );
  }

  test("each address once, a load balancer that wants its connections itself left out", () => {
    expect(views({}, slice([ready("10.1.2.10")]))).toEqual([
      "ClusterIP 10.96.0.1:80/TCP keep 1 0",
      "NodePort 192.0.2.1:30080/TCP masquerade 1 0",
      "LoadBalancer 203.0.113.8:80/TCP masquerade 1 0",
      "LoadBalancer 203.0.113.9:80/TCP masquerade 1 0",
      "ExternalIP 203.0.113.7:80/TCP masquerade 1 0",
    ]);
  });

  test("none in a family in which there is no cluster IP", () => {
    const six = { clusterIPs: ["10.96.0.1", "fd00::1"] };
    expect(views(six)).toContain("ExternalIP [fd00:e::7]:80/TCP refuse 0 0");
    expect(views({})).not.toContain("ExternalIP [fd00:e::7]:80/TCP refuse 0 0");
  });

  test("policy Local: two lists, or the one for those who need not leave the node", () => {
    const local = { ...spec, externalTrafficPolicy: "Local", externalIPs: ["203.0.113.7"] };
    const here = slice([ready("10.1.1.10", "node-1"), ready("10.1.2.10"), ready("10.1.2.11")]);
    expect(views(local, here)).toContain("NodePort 192.0.2.1:30080/TCP local 3 1");
    expect(views(local, here)).toContain("ExternalIP 203.0.113.7:80/TCP local 3 1");
    expect(views(local, here)).toContain("ClusterIP 10.96.0.1:80/TCP keep 3 0");
    const elsewhere = slice([ready("10.1.2.10")]);
    expect(views(local, elsewhere)).toContain("NodePort 192.0.2.1:30080/TCP short-circuit 1 0");
    expect(views(local)).toContain("NodePort 192.0.2.1:30080/TCP refuse 0 0");
  });

  test("a Local policy does not count where nothing external can be dialled", () => {
    const closed = { type: "ClusterIP", externalIPs: [], externalTrafficPolicy: "Local" };
    const ports = [{ name: "http", port: 80 }];
    expect(views({ ...closed, ports }, slice([ready("10.1.2.10")]))).toContain(
      "LoadBalancer 203.0.113.9:80/TCP masquerade 1 0",
    );
  });

  test("on loopback, policy Local gives the host the local backends only", () => {
    const home = { ...NODE, nodePortAddresses: ["127.0.0.1"] };
    const each = service({ ...spec, externalIPs: [], externalTrafficPolicy: "Local" });
    const verdicts = (...endpoints: object[]) =>
      serviceViewFrom(each, [slice(endpoints)], home, undefined)
        ?.frontends.map(shown)
        .slice(1);
    expect(verdicts(ready("10.1.1.10", "node-1"), ready("10.1.2.10"))).toEqual([
      "127.0.0.1:30080/TCP masquerade 10.1.1.10:8080 (local)",
    ]);
    expect(verdicts(ready("10.1.2.10"))).toEqual(["127.0.0.1:30080/TCP drop"]);
  });
});

describe("loadBalancerSourceRanges", () => {
  function allowed(ranges: string[], ...ips: string[]): Record<string, readonly string[]> {
    const json = {
      metadata: { name: "web" },
      spec: {
        type: "LoadBalancer",
        clusterIPs: ["10.96.0.1", "fd00::1"],
        externalIPs: ["203.0.113.7"],
        ports: [{ port: 80, nodePort: 30080 }],
        loadBalancerSourceRanges: ranges,
      },
      status: { loadBalancer: { ingress: ips.map((ip) => ({ ip })) } },
    };
    const result = serviceViewFrom(serviceFromObject(json).value as Service, [], NODE, undefined);
    const restricted = result?.frontends.filter((each) => each.allowedSources.length > 0) ?? [];
    return Object.fromEntries(restricted.map(({ key, allowedSources }) => [key, allowedSources]));
  }

  test("restrict the load balancer's addresses of their family alone", () => {
    const ranges = ["198.51.100.0/24", " 198.51.100.128/25 ", "10.1.0.0/16"];
    expect(allowed(ranges, "203.0.113.9", "fd00:e::9")).toEqual({
      "203.0.113.9:80/TCP": ["10.1.0.0/16", "198.51.100.0/24"],
    });
    expect(allowed(["fd00:5::/64"], "203.0.113.9", "fd00:e::9")).toEqual({
      "[fd00:e::9]:80/TCP": ["fd00:5::/64"],
    });
  });

  test("let everybody in who is in one of everybody's", () => {
    expect(allowed(["198.51.100.0/24", "0.0.0.0/0"], "203.0.113.9")).toEqual({});
  });

  test("that hold the node's own address let in the addresses themselves", () => {
    const ranges = ["192.0.2.0/24"];
    expect(allowed(ranges, "203.0.113.9", "203.0.113.8")["203.0.113.9:80/TCP"]).toEqual([
      "192.0.2.0/24",
      "203.0.113.8/32",
      "203.0.113.9/32",
    ]);
  });
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
    ["of another proxy", {}, label("service-proxy-name", "other")],
    ["of a proxy without a name", {}, label("service-proxy-name", "")],
  ])("%s", (_, spec, labels) => {
    const each = service(spec, labels);
    expect(serviceViewFrom(each, [slice([ready("10.1.2.10")])], NODE, undefined)).toBeUndefined();
  });

  test("the headless label on a Service is nothing to a proxy", () => {
    expect(serviceViewFrom(service({}, label("headless", "")), [], NODE, undefined)).toBeDefined();
  });

  test("another proxy's, seen by that proxy, which leaves the rest alone", () => {
    const labelled = service({}, label("service-proxy-name", "portico"));
    expect(serviceViewFrom(labelled, [], NODE, "portico")).toBeDefined();
    expect(serviceViewFrom(service({}), [], NODE, "portico")).toBeUndefined();
  });
});

describe("problems", () => {
  test("SCTP, which Envoy does not have, is said once for each port", () => {
    const ports = [
      { name: "diameter", port: 3868, nodePort: 30868, protocol: "SCTP" },
      { name: "m3ua", port: 2905, protocol: "SCTP" },
    ];
    const { frontends, problems } = view({ clusterIPs: ["10.96.0.1", "fd00::1"], ports });
    expect(frontends).toEqual([]);
    expect(problems.map(({ message }) => message)).toEqual([
      "not carried: SCTP port 3868 (diameter)",
      "not carried: SCTP port 2905 (m3ua)",
    ]);
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
      "two of its ports use 10.96.0.1:80/TCP",
    ]);
  });
});
