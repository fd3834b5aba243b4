import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { serviceFromObject } from "../model/from-service.ts";
import type { EndpointSlice, Service } from "../model/types.ts";
import { type Pod, podFromObject } from "./manifests-pod.ts";
import { selectingServiceFrom, slicesFromPods } from "./slices-from-pods.ts";

function pod(name: string, podIP: string, fields: { spec?: object; status?: object } = {}): Pod {
  return podFromObject({
    metadata: { namespace: "shop", name, labels: { app: "web", version: "1" } },
    spec: { nodeName: "node-1", containers: [{ ports: [{ name: "http", containerPort: 8080 }] }] },
    status: { podIP, ...fields.status },
    ...(fields.spec && { spec: fields.spec }),
  }).value as Pod;
}

function deleted(each: Pod): Pod {
  return { ...each, terminating: true };
}

function slices(spec: object, pods: readonly Pod[]): EndpointSlice[] {
  const json = {
    metadata: { namespace: "shop", name: "web" },
    spec: { clusterIP: "10.96.0.1", selector: { app: "web" }, ports: [{ port: 80 }], ...spec },
  };
  const selecting = selectingServiceFrom(serviceFromObject(json).value as Service, json);
  return slicesFromPods(selecting, pods, (node) => (node === "node-1" ? "zone-a" : undefined));
}

const addresses = (list: EndpointSlice[]) =>
  list.map(({ endpoints }) => endpoints.map(({ address }) => address));

test("a slice as the controller would make it", () => {
  expect(
    slices({ ports: [{ name: "http", port: 80, targetPort: "http" }] }, [pod("a", "10.1.1.10")]),
  ).toMatchInlineSnapshot(`
    [
      {
        "addressType": "IPv4",
        "endpoints": [
          {
            "address": "10.1.1.10",
            "nodeHints": [],
            "nodeName": "node-1",
            "podName": "a",
            "ready": true,
            "serving": true,
            "terminating": false,
            "zone": "zone-a",
            "zoneHints": [],
          },
        ],
        "headlessLabel": false,
        "lastChangeTriggerTime": 0,
        "name": "web-from-pods-1",
        "namespace": "shop",
        "ports": [
          {
            "name": "http",
            "port": 8080,
            "protocol": "TCP",
          },
        ],
        "serviceName": "web",
      },
    ]
  `);
});

describe("which Pods", () => {
  test("those that have all labels of the selector, in the Service's namespace", () => {
    const pods = [
      pod("a", "10.1.1.10"),
      { ...pod("b", "10.1.1.11"), labels: { app: "web", version: "2" } },
      { ...pod("c", "10.1.1.12"), namespace: "other" },
      { ...pod("d", "10.1.1.13"), labels: { version: "1" } },
    ];
    expect(addresses(slices({ selector: { app: "web" } }, pods))).toEqual([
      ["10.1.1.10", "10.1.1.11"],
    ]);
    expect(addresses(slices({ selector: { app: "web", version: "1" } }, pods))).toEqual([
      ["10.1.1.10"],
    ]);
  });

  test("a selector that is empty or absent selects nothing", () => {
    expect(slices({ selector: {} }, [pod("a", "10.1.1.10")])).toEqual([]);
    expect(slices({ selector: undefined }, [pod("a", "10.1.1.10")])).toEqual([]);
  });

  test("not those without an address, evicted, failed or done", () => {
    const evicted = { status: { podIP: "10.1.1.11", phase: "Failed", reason: "Evicted" } };
    const done = { status: { podIP: "10.1.1.12", phase: "Succeeded" } };
    const pods = [pod("a", ""), pod("b", "", evicted), pod("c", "", done)];
    expect(slices({ publishNotReadyAddresses: true }, pods)).toEqual([]);
  });
});

describe("conditions", () => {
  const ready = (status: string, phase?: string) => ({
    status: { conditions: [{ type: "Ready", status }], phase },
  });
  test.each<[string, Pod, boolean, boolean, boolean]>([
    ["Ready", pod("a", "10.1.1.10", ready("True")), true, true, false],
    ["not Ready", pod("a", "10.1.1.10", ready("False", "Running")), false, false, false],
    ["Ready unknown", pod("a", "10.1.1.10", ready("Unknown")), false, false, false],
    ["no condition, no phase", pod("a", "10.1.1.10"), true, true, false],
    [
      "no condition, Running",
      pod("a", "10.1.1.10", { status: { phase: "Running" } }),
      true,
      true,
      false,
    ],
    [
      "no condition, Pending",
      pod("a", "10.1.1.10", { status: { phase: "Pending" } }),
      false,
      false,
      false,
    ],
    ["deleted and Ready", deleted(pod("a", "10.1.1.10", ready("True"))), false, true, true],
    ["deleted and not Ready", deleted(pod("a", "10.1.1.10", ready("False"))), false, false, true],
  ])("%s", (_, each, isReady, serving, terminating) => {
    expect(slices({}, [each])[0]?.endpoints).toMatchObject([
      { ready: isReady, serving, terminating, podName: "a" },
    ]);
    expect(slices({ publishNotReadyAddresses: true }, [each])[0]?.endpoints).toMatchObject([
      { ready: true, serving, terminating },
    ]);
  });
});

describe("ports", () => {
  const named = { ports: [{ name: "http", port: 80, targetPort: "http" }] };
  const listening = (name: string, containerPort: number, protocol?: string) => ({
    spec: { containers: [{ ports: [{ name, containerPort, protocol }] }] },
  });

  test("a number, or the port's own when none is given", () => {
    const ports = [
      { name: "a", port: 80, targetPort: 8080 },
      { name: "b", port: 81 },
      { name: "c", port: 81, protocol: "UDP", targetPort: 53 },
    ];
    expect(slices({ ports }, [pod("a", "10.1.1.10")])[0]?.ports).toEqual([
      { name: "a", protocol: "TCP", port: 8080 },
      { name: "b", protocol: "TCP", port: 81 },
      { name: "c", protocol: "UDP", port: 53 },
    ]);
  });

  test("a name with other numbers on other Pods makes other slices", () => {
    const pods = [
      pod("b", "10.1.1.11", listening("http", 9090)),
      pod("a", "10.1.1.10", listening("http", 8080)),
      pod("c", "10.1.1.9", listening("http", 8080)),
    ];
    const result = slices(named, pods);
    expect(result.map(({ ports }) => ports.map(({ port }) => port))).toEqual([[8080], [9090]]);
    expect(addresses(result)).toEqual([["10.1.1.9", "10.1.1.10"], ["10.1.1.11"]]);
  });

  test("a name that no container has, or with another protocol, is left out", () => {
    const pods = [
      pod("a", "10.1.1.10", listening("grpc", 9090)),
      pod("b", "10.1.1.11", listening("http", 8080, "UDP")),
    ];
    expect(slices(named, pods).map(({ ports }) => ports)).toEqual([[]]);
  });

  test("a sidecar's counts, another init container's does not", () => {
    const ports = [{ name: "http", containerPort: 7070 }];
    const sidecar = pod("a", "10.1.1.10", {
      spec: { initContainers: [{ restartPolicy: "Always", ports }] },
    });
    const init = pod("b", "10.1.1.11", { spec: { initContainers: [{ ports }] } });
    expect(slices(named, [sidecar])[0]?.ports).toMatchObject([{ port: 7070 }]);
    expect(slices(named, [init])[0]?.ports).toEqual([]);
  });
});

test("at most 100 endpoints a slice, sorted", () => {
  const pods = Array.from({ length: 250 }, (_, index) => pod(`p${index}`, `10.1.1.${250 - index}`));
  const result = slices({}, pods);
  expect(result.map(({ endpoints }) => endpoints.length)).toEqual([100, 100, 50]);
  expect(result.map(({ name }) => name)).toEqual([1, 2, 3].map((n) => `web-from-pods-${n}`));
  expect(result[0]?.endpoints[0]?.address).toBe("10.1.1.1");
});

test("slices of the families of the cluster IPs", () => {
  const pods = [pod("a", "", { status: { podIPs: [{ ip: "10.1.1.10" }, { ip: "FD00::1" }] } })];
  expect(addresses(slices({}, pods))).toEqual([["10.1.1.10"]]);
  expect(addresses(slices({ clusterIPs: ["fd00:96::1", "10.96.0.1"] }, pods))).toEqual([
    ["fd00::1"],
    ["10.1.1.10"],
  ]);
  const headless = slices({ clusterIP: "None" }, pods);
  expect(headless.map(({ headlessLabel }) => headlessLabel)).toEqual([true, true]);
});

test("the order of the Pods leaves no trace", () => {
  const pods = Array.from({ length: 8 }, (_, index) =>
    pod(`p${index}`, `10.1.1.${index + 1}`, {
      spec: { containers: [{ ports: [{ name: "http", containerPort: 8000 + (index % 3) }] }] },
    }),
  );
  const spec = { ports: [{ port: 80, targetPort: "http" }] };
  const expected = slices(spec, pods);
  const shuffled = fc.shuffledSubarray(pods, { minLength: pods.length });
  fc.assert(
    fc.property(shuffled, (order) => {
      expect(slices(spec, order)).toEqual(expected);
    }),
  );
});

test("podFromObject never throws", () => {
  const isRead = (json: unknown) => {
    expect(() => podFromObject(json)).not.toThrow();
  };
  fc.assert(fc.property(fc.jsonValue(), isRead));
  const fields = fc.dictionary(
    fc.constantFrom("containers", "initContainers", "podIPs", "podIP", "conditions", "phase"),
    fc.oneof(fc.jsonValue(), fc.array(fc.record({ ports: fc.jsonValue() }))),
  );
  const object = fc.record({ metadata: fields, spec: fields, status: fields });
  fc.assert(fc.property(object, isRead));
});
