import { expect, it } from "vitest";
import type { Explanation } from "../explain/explanation.ts";
import { listeningFindings, placesToTry, type Tried } from "./listening.ts";
import { READERS } from "./objects.ts";
import {
  controllerFindings,
  explanationFindings,
  frontendsToExplain,
  type NodeStatus,
  tableFindings,
} from "./this-node.ts";
import type { DoctorCluster, Finding } from "./types.ts";

const WELL: NodeStatus = {
  nodeName: "node-1",
  watches: [{ kind: "Service", synced: true, error: "" }],
  envoyConnected: true,
  tableVersion: 7,
  frontends: 3,
  lastSync: { error: "" },
  problems: [],
};

function codes(findings: readonly Finding[]): string[] {
  return findings.map(({ level, code, service }) => `${level} ${code} ${service}`.trim());
}

it("has nothing against a controller that is well", () => {
  expect(controllerFindings(WELL)).toEqual([]);
});

it("tells what keeps a controller from serving", () => {
  const found = (status: Partial<NodeStatus>) => codes(controllerFindings({ ...WELL, ...status }));
  const watch = { kind: "Node", synced: false, error: "" };
  expect(found({ watches: [watch] })).toEqual(["error watch-unsynced"]);
  expect(found({ watches: [{ ...watch, error: "forbidden" }] })).toEqual(["error watch-failed"]);
  expect(found({ envoyConnected: false, tableVersion: 0 })).toEqual(["error envoy-missing"]);
  expect(found({ tableVersion: 0 })).toEqual(["error table-empty"]);
  expect(found({ lastSync: { error: "nft is missing" } })).toEqual(["error sync-failed"]);
});

it("compares how much is in the table, of the same version only", () => {
  expect(tableFindings(WELL, { version: 7, frontends: 3 })).toEqual([]);
  expect(tableFindings(WELL, { version: 8, frontends: 4 })).toEqual([]);
  expect(codes(tableFindings(WELL, { version: 7, frontends: 2 }))).toEqual([
    "error data-plane-differs",
  ]);
});

it("puts problems under the Service that they are about, but for those it finds by itself", () => {
  const problems = [
    { object: "Service shop/web", message: "too many endpoints" },
    { object: "Service shop/web", message: "not carried", reason: "ProtocolNotCarried" },
    { object: "This node", message: "src_valid_mark is 1" },
  ];
  expect(codes(controllerFindings({ ...WELL, problems }))).toEqual([
    "error proxy-problem shop/web",
    "error proxy-problem",
  ]);
});

it("warns of a backend that is left alone: the others serve", () => {
  const problem = { object: "Service shop/web", message: "ready, but", reason: "BackendEjected" };
  const [finding, ...more] = controllerFindings({ ...WELL, problems: [problem] });
  expect(more).toEqual([]);
  expect(finding).toMatchObject({ level: "warning", code: "backend-ejected", service: "shop/web" });
  expect(finding?.command).toBe("portico services shop/web");
});

it("warns of a limit that refuses", () => {
  const problem = { object: "Service shop/web", message: "its limit", reason: "ServiceLimited" };
  expect(controllerFindings({ ...WELL, problems: [problem] })).toEqual([
    expect.objectContaining({ level: "warning", code: "service-limited", service: "shop/web" }),
  ]);
});

function cluster(spec: object, status: object = {}, endpoints: object[] = []): DoctorCluster {
  const metadata = { name: "web", namespace: "shop" };
  const labels = { "kubernetes.io/service-name": "web" };
  const ports = [
    { name: "http", port: 8080 },
    { name: "dns", port: 53, protocol: "UDP" },
  ];
  const slice = { metadata: { ...metadata, labels }, addressType: "IPv4", ports, endpoints };
  return {
    services: READERS.services({ metadata, spec, status }),
    slices: READERS.endpointslices(slice),
    pods: undefined,
    nodes: undefined,
    serviceCIDRs: undefined,
  };
}

it("asks for every door that Portico carries, of the Service's families, each once", () => {
  const spec = {
    clusterIP: "10.96.0.1",
    externalIPs: ["198.51.100.7", "2001:db8::7", "198.51.100.8"],
    ports: [{ port: 80 }, { port: 53, protocol: "UDP" }, { port: 9, protocol: "SCTP" }],
  };
  const status = { loadBalancer: { ingress: [{ ip: "198.51.100.8" }] } };
  expect(frontendsToExplain(cluster(spec, status), "shop/web")).toEqual([
    "10.96.0.1:80/TCP",
    "10.96.0.1:53/UDP",
    "198.51.100.8:80/TCP",
    "198.51.100.8:53/UDP",
    "198.51.100.7:80/TCP",
    "198.51.100.7:53/UDP",
  ]);
  expect(frontendsToExplain(cluster({ ...spec, clusterIP: "None" }), "shop/web")).toEqual([]);
  expect(frontendsToExplain(cluster(spec), "shop/api")).toEqual([]);
  const ports = Array.from({ length: 40 }, (_, index) => ({ port: index + 1 }));
  expect(frontendsToExplain(cluster({ ...spec, ports }), "shop/web")).toHaveLength(16);
});

it("takes what differs for an error, and what is not served by how the Service is", () => {
  const explained = (more: Partial<Explanation>) =>
    [{ to: "10.96.0.1:80/TCP", summary: "", disagreements: [], ...more }] as never;
  const found = (more: Partial<Explanation>, isHealthy = true) =>
    codes(explanationFindings("shop/web", explained(more), isHealthy));
  expect(found({ outcome: "served" })).toEqual(["ok served-here shop/web"]);
  expect(found({ outcome: "dropped" })).toEqual(["warning not-served-here shop/web"]);
  expect(found({ outcome: "refused" }, false)).toEqual(["note not-served-here shop/web"]);
  expect(found({ outcome: "served", disagreements: ["a", "b"] })).toEqual([
    "error data-plane-differs shop/web",
    "error data-plane-differs shop/web",
  ]);
});

it("tries the ready endpoints of TCP ports, each once, and not too many", () => {
  const ready = { addresses: ["10.1.0.1"] };
  const unready = { addresses: ["10.1.0.2"], conditions: { ready: false } };
  const spec = { clusterIP: "10.96.0.1", ports: [{ port: 80 }] };
  const places = placesToTry(cluster(spec, {}, [ready, ready, unready]), "shop/web");
  expect(places).toEqual([{ address: "10.1.0.1", port: 8080 }]);
  const many = Array.from({ length: 40 }, (_, index) => ({ addresses: [`10.1.0.${index}`] }));
  expect(placesToTry(cluster(spec, {}, many), "shop/web")).toHaveLength(16);
});

it("tells a port where nothing listens from an address that is silent", () => {
  const tried = (...outcomes: Tried["outcome"][]): Tried[] =>
    outcomes.map((outcome, index) => ({ address: `10.1.0.${index}`, port: 8080, outcome }));
  const found = (...outcomes: Tried["outcome"][]) =>
    codes(listeningFindings("shop/web", tried(...outcomes)));
  expect(found()).toEqual([]);
  expect(found("connected", "connected")).toEqual(["ok listening shop/web"]);
  expect(found("refused", "refused")).toEqual(["error not-listening shop/web"]);
  expect(found("connected", "refused", "silent")).toEqual([
    "warning not-listening shop/web",
    "warning endpoint-silent shop/web",
  ]);
});
