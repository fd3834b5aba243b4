import { expect, it } from "vitest";
import type { KubernetesObject } from "../parity/state.ts";
import { isolationOf } from "./resolved.ts";

function pod(name: string, namespace: string, ip: string, labels = {}): KubernetesObject {
  const metadata = { name, namespace, labels };
  return { apiVersion: "v1", kind: "Pod", metadata, status: { podIPs: [{ ip }] } };
}

function policy(spec: Record<string, unknown>, namespace = "web"): KubernetesObject {
  const metadata = { name: "a-policy", namespace };
  return { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata, spec };
}

const WEB = pod("web-1", "web", "10.1.1.10", { app: "web" });
const DB = pod("db-1", "web", "10.1.1.11", { app: "db" });
const BLUE = pod("blue-1", "clients", "10.1.2.10", { team: "blue" });
const PODS = [WEB, DB, BLUE];
const EVERYBODY = { cidrs: undefined, except: [], ports: undefined };
const ALL = { podSelector: {} };

it("isolates nobody without a policy that selects", () => {
  const others = [
    policy({ ...ALL, policyTypes: ["Ingress"] }, "clients"),
    policy({ podSelector: { matchLabels: { app: "db" } }, policyTypes: ["Ingress"] }),
  ];
  expect(isolationOf(WEB, others, PODS)).toEqual({ ingress: undefined, egress: undefined });
});

it("isolates in the directions that a policy names, and allows nothing without a rule", () => {
  const both = policy({ ...ALL, policyTypes: ["Ingress", "Egress"] });
  expect(isolationOf(WEB, [both], PODS)).toEqual({ ingress: [], egress: [] });
  const out = policy({ ...ALL, policyTypes: ["Egress"], egress: [{}] });
  expect(isolationOf(WEB, [out], PODS)).toEqual({ ingress: undefined, egress: [EVERYBODY] });
});

it("adds up what several policies allow", () => {
  const deny = policy({ ...ALL, policyTypes: ["Ingress"], ingress: [] });
  const allow = policy({ ...ALL, policyTypes: ["Ingress"], ingress: [{}] });
  expect(isolationOf(WEB, [deny, allow], PODS).ingress).toEqual([EVERYBODY]);
});

const FROM = (...from: object[]) =>
  policy({ ...ALL, policyTypes: ["Ingress"], ingress: [{ from }] });

it.each([
  ["Pods of its own namespace", { podSelector: {} }, ["10.1.1.10", "10.1.1.11"]],
  ["Pods by label", { podSelector: { matchLabels: { app: "db" } } }, ["10.1.1.11"]],
  [
    "Pods of another namespace",
    { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "clients" } } },
    ["10.1.2.10"],
  ],
  [
    "some Pods of every namespace",
    { namespaceSelector: {}, podSelector: { matchLabels: { team: "blue" } } },
    ["10.1.2.10"],
  ],
  [
    "Pods by an expression",
    {
      podSelector: { matchExpressions: [{ key: "app", operator: "In", values: ["db", "cache"] }] },
    },
    ["10.1.1.11"],
  ],
])("finds %s", (_, peer, cidrs) => {
  const { ingress } = isolationOf(WEB, [FROM(peer)], PODS);
  expect(ingress).toEqual([{ cidrs, except: [], ports: undefined }]);
});

it("takes a block with what is excepted as it is", () => {
  const { ingress } = isolationOf(
    WEB,
    [FROM({ ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] } })],
    PODS,
  );
  expect(ingress).toEqual([{ cidrs: ["10.0.0.0/8"], except: ["10.1.0.0/16"], ports: undefined }]);
});

it("reads ports: numbers, names, ranges, TCP by default", () => {
  const ports = [{ port: 80 }, { port: "http", protocol: "UDP" }, { port: 8000, endPort: 8090 }];
  const rule = policy({ ...ALL, policyTypes: ["Ingress"], ingress: [{ ports }] });
  expect(isolationOf(WEB, [rule], PODS).ingress?.[0]?.ports).toEqual([
    { protocol: "tcp", first: 80, last: 80 },
    { protocol: "udp", first: 8080, last: 8080 },
    { protocol: "tcp", first: 8000, last: 8090 },
  ]);
});
