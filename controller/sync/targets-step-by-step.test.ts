// Random histories of a cluster, step by step through node view, table and UDP target, against what
// the whole state gives when it is computed from scratch.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ClusterState } from "../model/cluster-state.ts";
import { endpointSliceFromObject } from "../model/from-endpoint-slice.ts";
import { nodeFromObject } from "../model/from-node.ts";
import { serviceFromObject } from "../model/from-service.ts";
import type { Parsed } from "../model/json.ts";
import { KINDS, type Problem } from "../model/types.ts";
import { NodeFollower } from "../node/follow-cluster.ts";
import { DEFAULT_SETTINGS } from "../node/frontend-settings.ts";
import type { Frontend } from "../node/types.ts";
import type { UdpOptions } from "../xds/udp-target.ts";
import { TargetTable } from "./target-table.ts";
import { TargetUdp } from "./target-udp.ts";

const NODE = "node-1";
const UDP_OPTIONS: UdpOptions = { masqueradeAll: false, podFamilies: ["IPv4"] };

function parsed<T>({ value, problems }: Parsed<T>): T {
  if (value === undefined) throw new Error(JSON.stringify(problems));
  return value;
}

/** What a sync brings to the data plane, before the kernel. */
class Targets {
  readonly state = new ClusterState();
  readonly table = new TargetTable();
  udp = new TargetUdp([]);
  readonly #follower = new NodeFollower(this.state, {
    nodeName: NODE,
    serviceProxyName: undefined,
    serviceCIDRs: [],
  });
  readonly #problems = new Map<string, readonly Problem[]>();

  sync(): void {
    const { upserted, removed, problems } = this.#follower.update();
    for (const [service, found] of problems) this.#problems.set(service, found);
    this.table.apply(upserted, removed);
    this.udp.apply(upserted, removed, UDP_OPTIONS);
  }

  /** Everything, in an order that does not depend on how it came about. */
  content() {
    const { listeners, clusters } = this.udp.target;
    const problems = [...this.#problems.values()].flat();
    let backends = 0;
    for (const { backendCount } of this.table.entries.values()) backends += backendCount;
    expect(this.table.backends).toBe(backends);
    return {
      frontends: sorted(this.#follower.view.frontends),
      problems: problems.map(({ object, message }) => `${object}: ${message}`).sort(),
      records: sorted(this.table.entries).map(([key, { record }]) => [key, hex(record)]),
      leftOut: [...this.table.leftOut],
      udp: { listeners: sorted(listeners), clusters: sorted(clusters) },
      bindings: sorted(this.udp.bindings),
    };
  }

  /** The same of the present state from scratch, for an Envoy that has the present listeners. */
  fromScratch() {
    const other = new Targets();
    for (const kind of KINDS) other.state.replaceAll(kind, this.#objectsOf(kind).toReversed());
    other.udp = new TargetUdp(this.udp.target.listeners.values());
    other.sync();
    return other.content();
  }

  #objectsOf(kind: (typeof KINDS)[number]) {
    const { services, endpointSlices, nodes, serviceCIDRs } = this.state;
    const all = {
      Service: services,
      EndpointSlice: endpointSlices,
      Node: nodes,
      ServiceCIDR: serviceCIDRs,
    };
    return [...all[kind].values()];
  }
}

function sorted<T>(all: ReadonlyMap<string, T>): [string, T][] {
  return [...all].sort(([a], [b]) => (a < b ? -1 : 1));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

type Happening = (state: ClusterState) => void;

const PROTOCOLS = ["TCP", "UDP", "SCTP"];
const name = fc.constantFrom("a", "b", "c");
const policy = fc.constantFrom("Cluster", "Local");

const serviceMade: fc.Arbitrary<Happening> = fc
  .record({
    name,
    type: fc.constantFrom("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"),
    clusterIPs: fc.constantFrom(["10.96.0.1"], ["10.96.0.2"], ["10.96.0.3", "fd00:96::1"]),
    protocols: fc.subarray(PROTOCOLS, { minLength: 1 }),
    nodePort: fc.constantFrom(30080, 30081),
    externalIPs: fc.subarray(["203.0.113.7", "192.0.2.1", "10.96.0.2"]),
    ingress: fc.subarray(["203.0.113.9", "fd00:e::9"]),
    externalTrafficPolicy: policy,
    internalTrafficPolicy: policy,
    loadBalancerSourceRanges: fc.constantFrom([], ["192.0.2.0/30"], ["198.51.100.0/24"]),
    sessionAffinity: fc.constantFrom("None", "ClientIP"),
    proxyName: fc.constantFrom(undefined, undefined, undefined, "other"),
    allocatesNodePorts: fc.boolean(),
    annotations: fc.constantFrom<object>(
      {},
      {},
      { "portico.dev/balancing": "failover", "portico.dev/max-connections": "9" },
      { "portico.dev/balancing": "failover", "portico.dev/preferred-backends": "pod-1" },
      { "portico.dev/weights": "pod-1=5, 10.1.1.2=7, pod-*=2", "portico.dev/ejection": "off" },
      { "portico.dev/balancing": "fail-over" },
    ),
  })
  .map(
    ({
      name,
      protocols,
      nodePort,
      ingress,
      proxyName,
      allocatesNodePorts,
      annotations,
      ...spec
    }) => {
      const { type } = spec;
      const hasNodePorts = type === "NodePort" || (type === "LoadBalancer" && allocatesNodePorts);
      const ports = protocols.map((protocol) => {
        return { name: protocol, protocol, port: 80, ...(hasNodePorts && { nodePort }) };
      });
      const labels = proxyName ? { "service.kubernetes.io/service-proxy-name": proxyName } : {};
      const status = { loadBalancer: { ingress: ingress.map((ip) => ({ ip })) } };
      const object = { metadata: { name, labels, annotations }, spec: { ...spec, ports }, status };
      const made = parsed(serviceFromObject(object));
      return (state: ClusterState) => state.upsert("Service", made);
    },
  );

interface PlainEndpoint {
  address: string;
  nodeName: string;
  ready: boolean;
  terminating: boolean;
  zones?: string[];
  nodes?: string[];
}

/** Some endpoints are frontends themselves, some are in both slices, some are of both families. */
const endpoint: fc.Arbitrary<PlainEndpoint> = fc.record({
  address: fc.constantFrom("10.1.1.1", "10.1.1.2", "10.1.1.3", "10.96.0.2", "192.0.2.1"),
  nodeName: fc.constantFrom(NODE, "node-2"),
  ready: fc.boolean(),
  terminating: fc.boolean(),
  zones: fc.subarray(["zone-a", "zone-b"]),
  nodes: fc.constantFrom([], [], [NODE], ["node-2"]),
});

function sliceHappens(
  service: string,
  slice: string,
  endpoints: readonly PlainEndpoint[],
  isIPv6 = false,
): Happening {
  const made = parsed(
    endpointSliceFromObject({
      metadata: { name: slice, labels: { "kubernetes.io/service-name": service } },
      addressType: isIPv6 ? "IPv6" : "IPv4",
      ports: PROTOCOLS.map((protocol) => ({ name: protocol, port: 80, protocol })),
      endpoints: endpoints.map(
        ({ address, nodeName, ready, terminating, zones = [], nodes = [] }) => ({
          addresses: [isIPv6 ? `fd00:1::${address.slice(-1)}` : address],
          nodeName,
          conditions: { ready: ready && !terminating, serving: ready, terminating },
          zone: nodeName === NODE ? "zone-a" : "zone-b",
          targetRef: { kind: "Pod", name: `pod-${terminating ? 1 : address.slice(-1)}` },
          hints: {
            forZones: zones.map((zone) => ({ name: zone })),
            forNodes: nodes.map((node) => ({ name: node })),
          },
        }),
      ),
    }),
  );
  return (state) => state.upsert("EndpointSlice", made);
}

const sliceMade = fc
  .tuple(name, fc.constantFrom(1, 2), fc.array(endpoint, { maxLength: 4 }), fc.boolean())
  .map(([service, number, endpoints, isIPv6]) => {
    return sliceHappens(service, `${service}-${number}`, endpoints, isIPv6);
  });

/** Every endpoint has a hint, for a zone that this node may be in. */
const hintedSlice = fc
  .tuple(name, fc.subarray(["zone-a", "zone-b", "zone-a"], { minLength: 2 }))
  .map(([service, zones]) => {
    const endpoints = zones.map((zone, index) => {
      const common = { nodeName: NODE, ready: true, terminating: false, zones: [zone] };
      return { address: `10.1.1.${index + 1}`, ...common };
    });
    return sliceHappens(service, `${service}-1`, endpoints);
  });

const hundredEndpoints = name.map((service) => {
  const endpoints = Array.from({ length: 100 }, (_, index) => {
    const nodeName = index % 10 === 0 ? NODE : "node-2";
    return { address: `10.2.0.${index}`, ready: true, terminating: false, nodeName };
  });
  return sliceHappens(service, `${service}-1`, endpoints);
});

const nodeMade = fc
  .tuple(fc.constantFrom("192.0.2.1", "192.0.2.5"), fc.constantFrom("zone-a", "zone-b", undefined))
  .map(([address, zone]): Happening => {
    const labels = zone ? { "topology.kubernetes.io/zone": zone } : {};
    const status = { addresses: [{ type: "InternalIP", address }] };
    const made = parsed(nodeFromObject({ metadata: { name: NODE, labels }, status }));
    return (state) => state.upsert("Node", made);
  });

const gone: fc.Arbitrary<Happening> = fc.oneof(
  name.map(
    (each): Happening =>
      (state) =>
        state.remove("Service", `default/${each}`),
  ),
  fc.tuple(name, fc.constantFrom(1, 2)).map(([service, number]): Happening => {
    return (state) => state.remove("EndpointSlice", `default/${service}-${number}`);
  }),
  fc.constant<Happening>((state) => state.remove("Node", NODE)),
);

const happening = fc.oneof(
  { weight: 4, arbitrary: serviceMade },
  { weight: 4, arbitrary: sliceMade },
  { weight: 3, arbitrary: hintedSlice },
  { weight: 1, arbitrary: hundredEndpoints },
  { weight: 4, arbitrary: nodeMade },
  { weight: 2, arbitrary: gone },
);

describe("step by step", () => {
  it("gives the same as from scratch", () => {
    const histories = fc.array(fc.tuple(happening, fc.boolean()), { maxLength: 25 });
    fc.assert(
      fc.property(histories, (history) => {
        const targets = new Targets();
        for (const [happen, isSynced] of history) {
          happen(targets.state);
          if (!isSynced) continue;
          targets.sync();
          expect(targets.content()).toEqual(targets.fromScratch());
        }
      }),
      { numRuns: 500 },
    );
  });
});

/** `size`: how many entries of the table it needs. */
interface TableStep {
  number: number;
  size: number;
  isRemoval: boolean;
}

const tableStep: fc.Arbitrary<TableStep> = fc.record({
  number: fc.integer({ min: 1, max: 6 }),
  size: fc.integer({ min: 1, max: 2 }),
  isRemoval: fc.boolean(),
});

function frontendOf({ number, size }: TableStep): Frontend {
  const backends = [{ address: `10.1.1.${size}`, port: 80, local: true }];
  const address = `10.96.0.${number}`;
  return {
    key: `${address}:80/TCP`,
    family: "IPv4",
    address,
    port: 80,
    protocol: "TCP",
    kind: "NodePort",
    namespace: "default",
    service: "a",
    portName: "",
    verdict: size > 1 ? "local" : "keep",
    backends,
    localBackends: size > 1 ? backends : [],
    allowedSources: [],
    affinityTimeoutSeconds: 0,
    settings: DEFAULT_SETTINGS,
  };
}

describe("a table with little room", () => {
  it("always has all that fits, in its present form, and says what it leaves out", () => {
    const MOST = 5;
    fc.assert(
      fc.property(fc.array(tableStep, { maxLength: 40 }), (steps) => {
        const table = new TargetTable(MOST);
        const wanted = new Map<string, Frontend>();
        const problems = new Map<string, Problem | undefined>();
        const leftOut = new Set<string>();
        for (const step of steps) {
          const frontend = frontendOf(step);
          const { key } = frontend;
          const isGone = step.isRemoval && wanted.delete(key);
          if (!step.isRemoval) wanted.set(key, frontend);
          const change = table.apply(step.isRemoval ? [] : [frontend], isGone ? [key] : []);
          for (const [each, problem] of change.problems) problems.set(each, problem);
          for (const each of change.leftOut) if (!leftOut.delete(each)) leftOut.add(each);
          const alone = new TargetTable();
          alone.apply([...wanted.values()], []);
          expect(table.entries.size).toBeLessThanOrEqual(MOST);
          expect([...leftOut].sort()).toEqual([...table.leftOut].sort());
          expect(table.problems()).toEqual(expect.arrayContaining(present(problems)));
          expect(table.problems()).toHaveLength(present(problems).length);
          for (const [each, { localBackends }] of wanted) {
            const missing = 1 + localBackends.length;
            if (table.leftOut.has(each)) expect(table.entries.size + missing).toBeGreaterThan(MOST);
            else expect(table.entries.get(each)).toEqual(alone.entries.get(each));
          }
          expect([...table.entries.keys()].every((each) => alone.entries.has(each))).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });
});

function present(problems: ReadonlyMap<string, Problem | undefined>): Problem[] {
  return [...problems.values()].filter((problem) => problem !== undefined);
}
