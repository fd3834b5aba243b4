// Cases in the manner of kubernetes pkg/proxy/topology_test.go.

import { describe, expect, test } from "vitest";
import { type Candidate, categorizeEndpoints, type PoliciesInUse } from "./categorize-endpoints.ts";

interface Named extends Candidate {
  name: string;
}

interface Flags {
  local?: boolean;
  ready?: boolean;
  serving?: boolean;
  terminating?: boolean;
  zones?: string[];
  nodes?: string[];
}

function endpoints(...list: [name: string, flags?: Flags][]): Named[] {
  return list.map(([name, flags = {}]) => ({
    name,
    local: flags.local ?? false,
    endpoint: {
      ready: flags.ready ?? true,
      serving: flags.serving ?? flags.ready ?? true,
      terminating: flags.terminating ?? false,
      zoneHints: flags.zones ?? [],
      nodeHints: flags.nodes ?? [],
    },
  }));
}

const CLUSTER: PoliciesInUse = { usesClusterEndpoints: true, usesLocalEndpoints: false };
const LOCAL: PoliciesInUse = { usesClusterEndpoints: false, usesLocalEndpoints: true };
const BOTH: PoliciesInUse = { usesClusterEndpoints: true, usesLocalEndpoints: true };

const leaving = { ready: false, serving: true, terminating: true } satisfies Flags;
const gone = { ready: false, serving: false, terminating: true } satisfies Flags;
const unready = { ready: false, serving: false } satisfies Flags;

interface Case {
  name: string;
  policies: PoliciesInUse;
  endpoints: Named[];
  zone?: string;
  cluster: string[];
  local?: string[];
  any: boolean;
}

const cases: Case[] = [
  {
    name: "no endpoints",
    policies: BOTH,
    endpoints: [],
    cluster: [],
    any: false,
  },
  {
    name: "Cluster: the ready ones, wherever they are",
    policies: CLUSTER,
    endpoints: endpoints(["a"], ["b", { local: true }], ["c", unready]),
    cluster: ["a", "b"],
    any: true,
  },
  {
    name: "Cluster: none ready, so all that are serving and terminating",
    policies: CLUSTER,
    endpoints: endpoints(["a", leaving], ["b", { ...leaving, local: true }], ["c", gone]),
    cluster: ["a", "b"],
    any: true,
  },
  {
    name: "Cluster: one ready, so no terminating one",
    policies: CLUSTER,
    endpoints: endpoints(["a", leaving], ["b"]),
    cluster: ["b"],
    any: true,
  },
  {
    name: "Cluster: serving but not terminating is not usable",
    policies: CLUSTER,
    endpoints: endpoints(["a", { ready: false, serving: true }]),
    cluster: [],
    any: false,
  },
  {
    name: "Cluster: ready and terminating, as publishNotReadyAddresses makes it, is ready",
    policies: CLUSTER,
    endpoints: endpoints(["a", { ready: true, serving: false, terminating: true }], ["b", unready]),
    cluster: ["a"],
    any: true,
  },
  {
    name: "Local: local ready ones only",
    policies: LOCAL,
    endpoints: endpoints(["a"], ["b", { local: true }], ["c", { ...leaving, local: true }]),
    cluster: [],
    local: ["b"],
    any: true,
  },
  {
    name: "Local: none local, but there are endpoints",
    policies: LOCAL,
    endpoints: endpoints(["a"], ["b", { ...unready, local: true }]),
    cluster: [],
    local: [],
    any: true,
  },
  {
    name: "Local: none local, and those elsewhere are terminating",
    policies: LOCAL,
    endpoints: endpoints(["a", leaving]),
    cluster: [],
    local: [],
    any: true,
  },
  {
    name: "Local: nothing usable anywhere",
    policies: LOCAL,
    endpoints: endpoints(["a", gone], ["b", { ...unready, local: true }]),
    cluster: [],
    local: [],
    any: false,
  },
  {
    name: "Local: falls back to local terminating ones, not to remote ready ones",
    policies: LOCAL,
    endpoints: endpoints(["a"], ["b", { ...leaving, local: true }]),
    cluster: [],
    local: ["b"],
    any: true,
  },
  {
    name: "both policies: each list by its own rule",
    policies: BOTH,
    endpoints: endpoints(
      ["a"],
      ["b", { ...leaving, local: true }],
      ["c", { ...gone, local: true }],
    ),
    cluster: ["a"],
    local: ["b"],
    any: true,
  },
  {
    name: "zone hints: those for our zone",
    policies: CLUSTER,
    endpoints: endpoints(["a", { zones: ["zone-a"] }], ["b", { zones: ["zone-b", "zone-c"] }]),
    cluster: ["a"],
    any: true,
  },
  {
    name: "zone hints: one ready endpoint without makes them void",
    policies: CLUSTER,
    endpoints: endpoints(["a", { zones: ["zone-a"] }], ["b"]),
    cluster: ["a", "b"],
    any: true,
  },
  {
    name: "zone hints: an endpoint that is not ready has no say",
    policies: CLUSTER,
    endpoints: endpoints(
      ["a", { zones: ["zone-a"] }],
      ["b", { zones: ["zone-b"] }],
      ["c", leaving],
    ),
    cluster: ["a"],
    any: true,
  },
  {
    name: "zone hints: none for our zone makes them void",
    policies: CLUSTER,
    endpoints: endpoints(["a", { zones: ["zone-b"] }], ["b", { zones: ["zone-c"] }]),
    cluster: ["a", "b"],
    any: true,
  },
  {
    name: "zone hints: a node without a zone ignores them",
    policies: CLUSTER,
    zone: "",
    endpoints: endpoints(["a", { zones: ["zone-a"] }], ["b", { zones: ["zone-b"] }]),
    cluster: ["a", "b"],
    any: true,
  },
  {
    name: "zone hints: the only one for our zone is not ready, so they are void",
    policies: CLUSTER,
    endpoints: endpoints(["a", { ...unready, zones: ["zone-a"] }], ["b", { zones: ["zone-b"] }]),
    cluster: ["b"],
    any: true,
  },
  {
    name: "zone hints: they do not narrow the terminating fallback",
    policies: CLUSTER,
    endpoints: endpoints(["a", { ...leaving, zones: ["zone-a"] }], ["b", leaving]),
    cluster: ["a", "b"],
    any: true,
  },
  {
    name: "zone hints: no effect on the local list",
    policies: BOTH,
    endpoints: endpoints(["a", { zones: ["zone-a"] }], ["b", { zones: ["zone-b"], local: true }]),
    cluster: ["a"],
    local: ["b"],
    any: true,
  },
  {
    name: "node hints: those for our node, before zone hints",
    policies: CLUSTER,
    endpoints: endpoints(
      ["a", { zones: ["zone-a"], nodes: ["node-2"] }],
      ["b", { zones: ["zone-b"], nodes: ["node-1"] }],
    ),
    cluster: ["b"],
    any: true,
  },
  {
    name: "node hints: none for our node, so zone hints",
    policies: CLUSTER,
    endpoints: endpoints(
      ["a", { zones: ["zone-a"], nodes: ["node-2"] }],
      ["b", { zones: ["zone-b"], nodes: ["node-3"] }],
    ),
    cluster: ["a"],
    any: true,
  },
  {
    name: "node hints: one endpoint without, so zone hints",
    policies: CLUSTER,
    endpoints: endpoints(
      ["a", { zones: ["zone-a"], nodes: ["node-1"] }],
      ["b", { zones: ["zone-a"] }],
      ["c", { zones: ["zone-b"], nodes: ["node-1"] }],
    ),
    cluster: ["a", "b"],
    any: true,
  },
];

describe("categorizeEndpoints", () => {
  test.each(cases)("$name", ({ endpoints, policies, zone, cluster, local, any }) => {
    const node = { name: "node-1", zone: zone ?? "zone-a" };
    const result = categorizeEndpoints(endpoints, policies, node);
    expect(result.clusterEndpoints.map(({ name }) => name)).toEqual(cluster);
    expect(result.localEndpoints.map(({ name }) => name)).toEqual(local ?? []);
    expect(result.hasAnyEndpoints).toBe(any);
  });
});
