// The four arrows from Kubernetes objects to the model.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { endpointSliceFromObject } from "./from-endpoint-slice.ts";
import { nodeFromObject } from "./from-node.ts";
import { serviceFromObject } from "./from-service.ts";
import { serviceCIDRFromObject } from "./from-service-cidr.ts";
import type { Parsed } from "./json.ts";
import { NO_SETTINGS } from "./service-settings.ts";

function messages(parsed: Parsed<unknown>): string[] {
  return parsed.problems.map(({ message }) => message);
}

describe("serviceFromObject", () => {
  test("sets the defaults of the API server", () => {
    const json = {
      metadata: { name: "web" },
      spec: { clusterIP: "10.96.0.10", ports: [{ port: 80 }] },
    };
    expect(serviceFromObject(json)).toEqual({
      problems: [],
      value: {
        namespace: "default",
        name: "web",
        type: "ClusterIP",
        clusterIPs: ["10.96.0.10"],
        headless: false,
        ports: [{ name: "", protocol: "TCP", port: 80, nodePort: 0 }],
        externalIPs: [],
        loadBalancerIngress: [],
        loadBalancerSourceRanges: [],
        internalTrafficPolicy: "Cluster",
        externalTrafficPolicy: "Cluster",
        affinityTimeoutSeconds: 0,
        settings: NO_SETTINGS,
        healthCheckNodePort: 0,
        serviceProxyName: undefined,
        selector: undefined,
        publishNotReadyAddresses: false,
        uid: "",
      },
    });
  });

  test("takes over what is set", () => {
    const json = {
      metadata: {
        namespace: "shop",
        name: "web",
        uid: "1-2",
        labels: {
          "service.kubernetes.io/service-proxy-name": "other",
          "service.kubernetes.io/headless": "",
        },
      },
      spec: {
        type: "LoadBalancer",
        clusterIP: "10.96.0.10",
        clusterIPs: ["10.96.0.10", "fd00:0::a"],
        ports: [{ name: "dns", port: 53, protocol: "UDP", nodePort: 30053 }],
        externalIPs: ["203.0.113.5"],
        loadBalancerSourceRanges: [" 198.51.100.7/24 "],
        internalTrafficPolicy: "Local",
        externalTrafficPolicy: "Local",
        sessionAffinity: "ClientIP",
        healthCheckNodePort: 31000,
        selector: { app: "web" },
        publishNotReadyAddresses: true,
      },
      status: {
        loadBalancer: {
          ingress: [
            { ip: "203.0.113.9" },
            { ip: "203.0.113.8", ipMode: "Proxy" },
            { hostname: "x" },
          ],
        },
      },
    };
    expect(serviceFromObject(json).problems).toEqual([]);
    expect(serviceFromObject(json).value).toMatchObject({
      namespace: "shop",
      uid: "1-2",
      serviceProxyName: "other",
      clusterIPs: ["10.96.0.10", "fd00::a"],
      ports: [{ name: "dns", port: 53, protocol: "UDP", nodePort: 30053 }],
      externalIPs: ["203.0.113.5"],
      loadBalancerSourceRanges: ["198.51.100.0/24"],
      loadBalancerIngress: [
        { ip: "203.0.113.9", ipMode: "VIP" },
        { ip: "203.0.113.8", ipMode: "Proxy" },
      ],
      internalTrafficPolicy: "Local",
      externalTrafficPolicy: "Local",
      affinityTimeoutSeconds: 10_800,
      settings: NO_SETTINGS,
      healthCheckNodePort: 31000,
      selector: { app: "web" },
      publishNotReadyAddresses: true,
    });
  });

  test("tells headless from not allocated yet", () => {
    const service = (spec: object) => serviceFromObject({ metadata: { name: "a" }, spec }).value;
    expect(service({ clusterIP: "None" })).toMatchObject({ headless: true, clusterIPs: [] });
    expect(service({ clusterIP: "" })).toMatchObject({ headless: false, clusterIPs: [] });
    expect(service({ clusterIPs: ["None"] })).toMatchObject({ headless: true });
  });

  test("leaves out what is bad, and says which and where", () => {
    const parsed = serviceFromObject({
      metadata: { namespace: "shop", name: "web" },
      spec: {
        type: "Cluster",
        clusterIP: "10.96.0.999",
        ports: [{ port: "80" }, { port: 81, protocol: "tcp" }, { port: 82, nodePort: 70000 }, 83],
        sessionAffinity: "ClientIP",
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 0 } },
        loadBalancerSourceRanges: ["everyone"],
      },
    });
    expect(parsed.value).toMatchObject({ type: "ClusterIP", clusterIPs: [], ports: [] });
    expect(new Set(parsed.problems.map(({ object }) => object))).toEqual(
      new Set(["Service shop/web"]),
    );
    expect(messages(parsed)).toMatchInlineSnapshot(`
      [
        "spec.type is "Cluster"; it must be one of ClusterIP, NodePort, LoadBalancer, ExternalName",
        "spec.clusterIPs: "10.96.0.999" is not valid",
        "spec.ports[0].port is "80"; it must be a number from 1 to 65535",
        "spec.ports[1].protocol is "tcp"; it must be one of TCP, UDP, SCTP",
        "spec.ports[2].nodePort is 70000; it must be a number from 0 to 65535",
        "spec.ports[3].port is not given; it must be a number from 1 to 65535",
        "spec.loadBalancerSourceRanges: "everyone" is not valid",
        "spec.sessionAffinityConfig.clientIP.timeoutSeconds is 0; it must be from 1 to 86400",
      ]
    `);
  });

  test("without a name there is no Service", () => {
    const parsed = serviceFromObject({ spec: { clusterIP: "10.96.0.1" } });
    expect(parsed.value).toBeUndefined();
    expect(parsed.problems[0]?.object).toBe("Service default/(no name)");
    expect(messages(parsed)[0]).toContain("metadata.name is missing");
  });
});

describe("endpointSliceFromObject", () => {
  const slice = (fields: object) =>
    endpointSliceFromObject({
      metadata: { name: "web-1", labels: { "kubernetes.io/service-name": "web" } },
      addressType: "IPv4",
      ...fields,
    });

  test("absent conditions are those that kube-proxy reads into them", () => {
    const endpoints = [
      { addresses: ["10.1.1.1", "10.1.1.2"] },
      { addresses: ["10.1.1.3"], conditions: { ready: false } },
      { addresses: ["10.1.1.4"], conditions: { ready: false, serving: true, terminating: true } },
    ];
    const value = slice({ endpoints, ports: [{ name: "http", port: 80 }] }).value;
    expect(value?.serviceName).toBe("web");
    expect(value?.ports).toEqual([{ name: "http", protocol: "TCP", port: 80 }]);
    expect(value?.endpoints).toMatchObject([
      { address: "10.1.1.1", ready: true, serving: true, terminating: false, zoneHints: [] },
      { address: "10.1.1.3", ready: false, serving: true, terminating: false },
      { address: "10.1.1.4", ready: false, serving: true, terminating: true },
    ]);
  });

  test("names the Pod behind an endpoint, and nothing else that may be there", () => {
    const refs = [{ kind: "Pod", name: "web-0" }, { kind: "Machine", name: "m-1" }, undefined];
    const endpoints = refs.map((targetRef) => ({ addresses: ["10.1.1.1"], targetRef }));
    const names = slice({ endpoints }).value?.endpoints.map(({ podName }) => podName);
    expect(names).toEqual(["web-0", undefined, undefined]);
  });

  test("takes over node, zone, hints, trigger time and headless label", () => {
    const parsed = endpointSliceFromObject({
      metadata: {
        namespace: "shop",
        name: "web-1",
        labels: { "service.kubernetes.io/headless": "" },
        annotations: { "endpoints.kubernetes.io/last-change-trigger-time": "2024-05-01T10:00:00Z" },
      },
      addressType: "IPv6",
      endpoints: [
        {
          addresses: ["FD00::1"],
          nodeName: "node-1",
          zone: "a",
          hints: { forZones: [{ name: "b" }], forNodes: [{ name: "node-2" }] },
        },
      ],
    });
    expect(parsed.value).toMatchObject({
      serviceName: "",
      headlessLabel: true,
      lastChangeTriggerTime: Date.UTC(2024, 4, 1, 10),
      endpoints: [
        {
          address: "fd00::1",
          nodeName: "node-1",
          zone: "a",
          zoneHints: ["b"],
          nodeHints: ["node-2"],
        },
      ],
    });
  });

  test("leaves out what is bad, and says which and where", () => {
    const endpoints = [
      { addresses: ["fd00::1"] },
      { addresses: [] },
      null,
      { addresses: ["10.1.1.1"] },
    ];
    const parsed = slice({ endpoints, ports: [{ port: "80" }, { port: 80.5 }] });
    expect(parsed.value?.endpoints).toHaveLength(1);
    expect(messages(parsed)).toMatchInlineSnapshot(`
      [
        "ports[0].port is "80"; it must be a number from 1 to 65535",
        "ports[1].port is 80.5; it must be a number from 1 to 65535",
        "endpoints[0].addresses[0] is "fd00::1"; it must be an IPv4 address",
        "endpoints[1].addresses[0] is not given; it must be an IPv4 address",
        "endpoints[2].addresses[0] is not given; it must be an IPv4 address",
      ]
    `);
  });

  test("a port without a number is left out, and no harm is done", () => {
    const numbers = [undefined, null, 0, -1, 70_000, 80];
    const parsed = slice({ ports: numbers.map((port, index) => ({ name: `p${index}`, port })) });
    expect(parsed.value?.ports).toEqual([{ name: "p5", protocol: "TCP", port: 80 }]);
    expect(parsed.problems).toHaveLength(5);
    expect(parsed.problems.map(({ isHarmless }) => isHarmless)).toEqual(Array(5).fill(true));
    expect(messages(parsed)[0]).toBe(
      "ports[0].port is not given: this port is ignored; set a number from 1 to 65535",
    );
  });

  test("a slice of names is none of ours; an unknown kind of addresses is wrong", () => {
    expect(slice({ addressType: "FQDN" })).toEqual({ value: undefined, problems: [] });
    expect(slice({ addressType: "IPX" })).toMatchObject({ value: undefined, problems: [{}] });
  });
});

test("nodeFromObject: InternalIPs first, topology labels only", () => {
  const parsed = nodeFromObject({
    metadata: {
      name: "node-1",
      labels: { "topology.kubernetes.io/zone": "a", "kubernetes.io/os": "linux" },
      deletionTimestamp: "2024-05-01T10:00:00Z",
    },
    spec: { podCIDR: "10.1.1.0/24", taints: [{ key: "ToBeDeletedByClusterAutoscaler" }] },
    status: {
      addresses: [
        { type: "Hostname", address: "node-1" },
        { type: "ExternalIP", address: "203.0.113.1" },
        { type: "InternalIP", address: "192.0.2.1" },
        { type: "InternalIP", address: "FD00::1" },
      ],
    },
  });
  expect(parsed).toEqual({
    problems: [],
    value: {
      name: "node-1",
      addresses: ["192.0.2.1", "fd00::1", "203.0.113.1"],
      podCIDRs: ["10.1.1.0/24"],
      labels: { "topology.kubernetes.io/zone": "a" },
      taintKeys: ["ToBeDeletedByClusterAutoscaler"],
      deleting: true,
    },
  });
});

test("nodeFromObject: an address that is a name is left out, and no harm is done", () => {
  const addresses = [
    { type: "InternalIP", address: "node-1.example" },
    { type: "InternalIP", address: "192.0.2.1" },
    { type: "Hostname", address: "node-1" },
    { type: "InternalDNS", address: "node-1.internal" },
    { type: "InternalIP", address: 7 },
  ];
  const parsed = nodeFromObject({ metadata: { name: "node-1" }, status: { addresses } });
  expect(parsed.value?.addresses).toEqual(["192.0.2.1"]);
  expect(parsed.problems).toEqual([
    {
      object: "Node node-1",
      message:
        'status.addresses: the InternalIP "node-1.example" is not an IP address and is ' +
        "ignored; the kubelet sets it",
      isHarmless: true,
    },
    { object: "Node node-1", message: "status.addresses: the InternalIP 7 must be a text" },
  ]);
});

test("serviceCIDRFromObject", () => {
  const parsed = serviceCIDRFromObject({
    metadata: { name: "kubernetes" },
    spec: { cidrs: ["10.96.0.0/16", "fd00:96::/112", "10.96/16"] },
  });
  expect(parsed.value).toEqual({ name: "kubernetes", cidrs: ["10.96.0.0/16", "fd00:96::/112"] });
  expect(parsed.problems).toEqual([
    {
      object: "ServiceCIDR kubernetes",
      message: 'spec.cidrs: "10.96/16" is not valid',
      reason: "AddressRefused",
    },
  ]);
});

// A whole object with any part replaced by any value reaches deeper than any value alone.
describe.each([
  ["serviceFromObject", serviceFromObject],
  ["endpointSliceFromObject", endpointSliceFromObject],
  ["nodeFromObject", nodeFromObject],
  ["serviceCIDRFromObject", serviceCIDRFromObject],
] as const)("%s", (_, fromObject) => {
  test("never throws, and has a value only with a name", () => {
    const anything = fc.jsonValue({ maxDepth: 3 });
    const fields = fc.dictionary(
      fc.constantFrom(...fieldNames),
      fc.oneof(
        anything,
        fc.array(fc.dictionary(fc.constantFrom(...fieldNames), anything), { maxLength: 3 }),
      ),
    );
    const object = fc.record(
      { metadata: fields, spec: fields, status: fields, endpoints: anything, ports: anything },
      { requiredKeys: [] },
    );
    const typed = fc
      .tuple(object, fc.constantFrom("IPv4", "IPv6", "FQDN", 4))
      .map(([rest, addressType]) => ({ ...rest, addressType }));
    let problems = 0;
    fc.assert(
      fc.property(fc.oneof(anything, object, typed), (json) => {
        const parsed = fromObject(json);
        problems += parsed.problems.length;
        if (parsed.value) expect(parsed.value.name).not.toBe("");
        for (const { object, message } of parsed.problems) {
          expect(`${object}${message}`).not.toContain("undefined");
        }
      }),
    );
    expect(problems).toBeGreaterThan(0);
  });
});

const fieldNames = [
  "portico.dev/balancing",
  "portico.dev/weights",
  "portico.dev/max-connections",
  "name",
  "namespace",
  "labels",
  "annotations",
  "type",
  "clusterIP",
  "clusterIPs",
  "ports",
  "externalIPs",
  "loadBalancer",
  "loadBalancerSourceRanges",
  "sessionAffinity",
  "sessionAffinityConfig",
  "selector",
  "addresses",
  "podCIDRs",
  "taints",
  "cidrs",
];
