// Kinds of findings that a cluster without kubelets and zones does not show;
// test/cluster/doctor.test.ts has the others.

import fc from "fast-check";
import { expect, it } from "vitest";
import { diagnoseAll, diagnoseService } from "./diagnose.ts";
import { READERS } from "./objects.ts";
import type { DoctorCluster } from "./types.ts";

function service(spec: object = {}, name = "web", labels: object = {}) {
  const ports = [{ name: "http", port: 80, targetPort: 8080 }];
  const all = { clusterIP: "10.96.0.1", selector: { app: "web" }, ports, ...spec };
  return READERS.services({ metadata: { name, namespace: "shop", labels }, spec: all });
}

function pod(name: string, address: string, metadata: object = {}) {
  const conditions = [{ type: "Ready", status: "True" }];
  return READERS.pods({
    metadata: { name, namespace: "shop", labels: { app: "web" }, ...metadata },
    spec: { nodeName: "node-1" },
    status: { phase: "Running", podIP: address, conditions },
  });
}

function slice(endpoints: object[], parts: { metadata?: object; addressType?: string } = {}) {
  const labels = {
    "kubernetes.io/service-name": "web",
    "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
  };
  const metadata = { name: "web-1", namespace: "shop", labels, ...parts.metadata };
  const ports = [{ name: "http", port: 8080 }];
  const { addressType = "IPv4" } = parts;
  return READERS.endpointslices({ metadata, addressType, ports, endpoints });
}

function cluster(parts: Partial<DoctorCluster>): DoctorCluster {
  return {
    services: service(),
    slices: slice([{ addresses: ["10.1.0.1"] }]),
    pods: pod("web-1", "10.1.0.1"),
    nodes: undefined,
    serviceCIDRs: undefined,
    ...parts,
  };
}

/** Returns "warning stale-slices: …", without findings of level ok. */
function told(parts: Partial<DoctorCluster>): string[] {
  const findings = diagnoseService(cluster(parts), "shop", "web");
  const shown = findings.filter(({ level }) => level !== "ok");
  return shown.map(({ level, code, text }) => `${level} ${code}: ${text}`);
}

it("has nothing against a Service that is well", () => {
  expect(told({})).toEqual([]);
});

it("knows endpoints that are gone, late or wrongly unready", () => {
  const two = slice([{ addresses: ["10.1.0.1"] }, { addresses: ["10.1.0.9"] }]);
  expect(told({ slices: two })).toEqual([
    expect.stringMatching(
      /^error stale-slices: its EndpointSlices list 10\.1\.0\.9, which no selected Pod/,
    ),
  ]);
  const unready = slice([{ addresses: ["10.1.0.1"], conditions: { ready: false } }]);
  expect(told({ slices: unready })).toEqual([
    expect.stringMatching(/^error stale-slices: its EndpointSlices mark web-1 as not ready/),
  ]);
  expect(told({ slices: [] })).toEqual([expect.stringMatching(/^error no-slices: /)]);
});

it("knows a Pod that is going from one that is late", () => {
  const going = pod("web-2", "10.1.0.2", { deletionTimestamp: "2026-01-01T00:00:00Z" });
  expect(told({ pods: [...pod("web-1", "10.1.0.1"), ...going] })).toEqual([
    "note pod-terminating: 1 of its 2 Pods (web-2) is not ready: being deleted",
  ]);
});

it("knows slices that no proxy reads", () => {
  const names = slice([], { addressType: "FQDN" });
  const hidden = slice([{ addresses: ["10.1.0.1"] }], {
    metadata: {
      name: "web-2",
      labels: { "kubernetes.io/service-name": "web", "service.kubernetes.io/headless": "" },
    },
  });
  const found = told({ slices: [...cluster({}).slices, ...names, ...hidden] });
  expect(found).toContainEqual(expect.stringMatching(/^warning slice-address-type: .* web-1 /));
  expect(found).toContainEqual(expect.stringMatching(/^warning slice-headless-label: .* web-2 /));
});

it("tells where topology hints lead", () => {
  const hinted = (address: string, zone?: string) => ({
    addresses: [address],
    ...(zone && { hints: { forZones: [{ name: zone }] } }),
  });
  const nodes = ["a", "b"].flatMap((zone) => {
    const labels = { "topology.kubernetes.io/zone": zone };
    return READERS.nodes({ metadata: { name: `node-${zone}`, labels } });
  });
  const pods = [...pod("web-1", "10.1.0.1"), ...pod("web-2", "10.1.0.2")];
  const hints = (...zones: (string | undefined)[]) => {
    const endpoints = zones.map((zone, index) => hinted(`10.1.0.${index + 1}`, zone));
    return told({ nodes, pods, slices: slice(endpoints) });
  };
  expect(hints("a", "b")).toEqual([]);
  expect(hints("a", "a")).toEqual([
    expect.stringMatching(/^note hints: .* for zones a; nodes in other zones \(node-b\) use all/),
  ]);
  expect(hints("a", undefined)).toEqual([
    expect.stringMatching(/^note hints-ignored: .* 10\.1\.0\.2 has none/),
  ]);
});

it("tells which proxy serves a Service that is not for this one", () => {
  const labels = { "service.kubernetes.io/service-proxy-name": "other" };
  expect(told({ services: service({}, "web", labels) })).toEqual([
    expect.stringMatching(/^note other-proxy: .* says "other"/),
  ]);
});

it("tells of fields that are of no use", () => {
  expect(told({ services: service({ externalIPs: ["10.0.0"] }) })).toEqual([
    'warning invalid-field: spec.externalIPs: "10.0.0" is not valid',
  ]);
});

it("finds slices that belong to no Service, with the name that may have been meant", () => {
  const slices = slice([{ addresses: ["10.1.0.1"] }], {
    metadata: { labels: { "kubernetes.io/service-name": "wbe" } },
  });
  const all = diagnoseAll(cluster({ slices: [...cluster({}).slices, ...slices] }));
  expect(all.filter(({ code }) => code === "orphan-slice")).toMatchObject([
    {
      level: "warning",
      service: "",
      text: expect.stringContaining("for Service wbe, which does not exist; did you mean web?"),
    },
  ]);
});

it("knows a Service that is not there by a name that comes near, or by its namespace", () => {
  const [missing] = diagnoseService(cluster({}), "shop", "webb");
  expect(missing?.text).toBe("there is no Service shop/webb; did you mean web?");
  const [elsewhere] = diagnoseService(cluster({}), "prod", "web");
  expect(elsewhere?.text).toBe("there is no Service prod/web; there is one in namespace shop");
});

const anything = fc.oneof(
  fc.jsonValue(),
  fc.record(
    {
      metadata: fc.record({
        name: fc.constantFrom("web", "api"),
        namespace: fc.constantFrom("shop", undefined, 7),
        labels: fc.dictionary(
          fc.constantFrom("app", "kubernetes.io/service-name"),
          fc.oneof(fc.constantFrom("web", "api"), fc.jsonValue()),
        ),
      }),
      spec: fc.oneof(
        fc.jsonValue(),
        fc.record({
          clusterIP: fc.constantFrom("10.96.0.1", "None", "fd00::1", "x"),
          type: fc.constantFrom("ClusterIP", "NodePort", "ExternalName", "LoadBalancer", 4),
          selector: fc.oneof(fc.jsonValue(), fc.constant({ app: "web" })),
          ports: fc.oneof(fc.jsonValue(), fc.constant([{ port: 80, targetPort: "http" }])),
          internalTrafficPolicy: fc.constantFrom("Local", "Cluster", 1),
          nodeName: fc.constantFrom("node-1", ""),
        }),
      ),
      status: fc.oneof(fc.jsonValue(), fc.constant({ podIP: "10.1.0.1", phase: "Running" })),
      addressType: fc.constantFrom("IPv4", "FQDN", 1),
      endpoints: fc.oneof(fc.jsonValue(), fc.constant([{ addresses: ["10.1.0.1"] }])),
      ports: fc.oneof(fc.jsonValue(), fc.constant([{ port: 8080 }])),
    },
    { requiredKeys: [] },
  ),
);

it("takes whatever anybody wrote, and says something of it in one line", () => {
  const lists = fc.array(anything, { maxLength: 4 });
  let said = 0;
  fc.assert(
    fc.property(lists, lists, lists, lists, (services, slices, pods, nodes) => {
      const findings = diagnoseAll({
        services: services.flatMap(READERS.services),
        slices: slices.flatMap(READERS.endpointslices),
        pods: pods.flatMap(READERS.pods),
        nodes: nodes.flatMap(READERS.nodes),
        serviceCIDRs: nodes.flatMap(READERS.servicecidrs),
      });
      said += findings.length;
      for (const { text, command } of findings) {
        expect(text).not.toMatch(/undefined|\[object|\n/);
        expect(command).not.toBe("");
      }
    }),
    { numRuns: 300 },
  );
  expect(said).toBeGreaterThan(0);
}, 30_000);
