// UDP frontends as they change, step by step: what Envoy should have must be what all of them
// together would give, and a step must cost what changed.

import fc from "fast-check";
import { expect, it } from "vitest";
import { countingBytes } from "../../test/stand-ins/udp-targets.ts";
import { frontendKey } from "../node/frontend-key.ts";
import { DEFAULT_SETTINGS } from "../node/frontend-settings.ts";
import { LISTENER_KINDS } from "../node/hand-over.ts";
import type { Backend, Frontend, FrontendKind, Verdict } from "../node/types.ts";
import type { UdpBinding, UdpBindings } from "../node/udp-binding.ts";
import {
  listenerRole,
  neededKinds,
  roleOfListener,
  type UdpCluster,
  type UdpListener,
  type UdpOptions,
  udpClusterOf,
  udpListenerOf,
} from "../xds/udp-target.ts";
import { TargetUdp } from "./target-udp.ts";

interface All {
  listeners: ReadonlyMap<string, UdpListener>;
  clusters: ReadonlyMap<string, UdpCluster>;
  bindings: UdpBindings;
}

/** All together, plainly. `addressOf`: of listeners that exist, by role. */
function allOf(
  frontends: readonly Frontend[],
  options: UdpOptions,
  addressOf: ReadonlyMap<string, string>,
): All {
  const listeners = new Map<string, UdpListener>();
  const clusters = new Map<string, UdpCluster>();
  const bindings = new Map<string, UdpBinding>();
  const isFrontend = (backend: Backend) =>
    frontends.some(({ address, port }) => address === backend.address && port === backend.port);
  // The first by key decides what a shared cluster has.
  for (const frontend of frontends.toSorted((a, b) => (a.key > b.key ? -1 : 1))) {
    const bound: Record<string, string> = {};
    for (const kind of LISTENER_KINDS) {
      const address = addressOf.get(listenerRole(frontend.key, kind));
      if (address === undefined) {
        expect(neededKinds(frontend, options)).not.toContain(kind);
        continue;
      }
      const listener = udpListenerOf(frontend, kind, address);
      listeners.set(listener.name, listener);
      const cluster = udpClusterOf(frontend, kind, isFrontend);
      clusters.set(cluster.name, cluster);
      bound[kind] = address;
    }
    if (Object.keys(bound).length === 0) continue;
    const { key, family, address, port, protocol } = frontend;
    bindings.set(key, { family, address, port, protocol, bound });
  }
  return { listeners, clusters, bindings };
}

const OPTIONS: UdpOptions = { masqueradeAll: false, podFamilies: ["IPv4"] };

/** Of few Services, so that they meet: some endpoints are themselves frontends. */
const ADDRESSES = ["10.96.0.1", "10.96.0.2", "10.96.0.3", "192.0.2.1", "127.0.0.1"];
const backends = fc
  .subarray(["10.1.1.1", "10.1.1.2", "10.96.0.2", "10.96.0.3", "192.0.2.1"])
  .map((all) =>
    all.map((address): Backend => ({ address, port: 53, local: address < "10.1.1.2" })),
  );

interface Step {
  address: string;
  service: string;
  kind: FrontendKind;
  verdict: Verdict;
  affinityTimeoutSeconds: number;
  backends: Backend[];
  servingBackends: Backend[];
  protocol: "UDP" | "TCP";
  isRemoval: boolean;
  podFamilies: UdpOptions["podFamilies"];
  /** Otherwise together with the next. */
  isApplied: boolean;
}

const step: fc.Arbitrary<Step> = fc.record({
  address: fc.constantFrom(...ADDRESSES),
  service: fc.constantFrom("a", "b"),
  kind: fc.constantFrom<FrontendKind>("ClusterIP", "NodePort"),
  verdict: fc.constantFrom<Verdict>("keep", "masquerade", "local", "refuse", "short-circuit"),
  affinityTimeoutSeconds: fc.constantFrom(0, 10),
  backends,
  servingBackends: backends,
  protocol: fc.constantFrom("UDP", "UDP", "UDP", "TCP"),
  isRemoval: fc.boolean(),
  podFamilies: fc.constantFrom<UdpOptions["podFamilies"]>(["IPv4"], ["IPv4"], ["IPv4"], []),
  isApplied: fc.boolean(),
});

function frontendFrom({ isRemoval: _, podFamilies: __, isApplied: ___, ...step }: Step): Frontend {
  return {
    ...step,
    key: frontendKey(step.address, 53, step.protocol),
    family: "IPv4",
    port: 53,
    namespace: "default",
    portName: "dns",
    localBackends: step.backends.filter(({ local }) => local),
    allowedSources: [],
    settings: DEFAULT_SETTINGS,
  };
}

function rolesOf({ listeners }: TargetUdp["target"]): Map<string, string> {
  const roles = [...listeners.values()].map(({ name, address }): [string, string] => {
    return [roleOfListener(name, address) ?? "", address];
  });
  return new Map(roles);
}

it("is at each step what all frontends together give, and says what differs", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const udp = new TargetUdp([], new Map(), countingBytes());
      const { target } = udp;
      const present = new Map<string, Frontend>();
      const replica = { listeners: new Map<string, UdpListener>(), clusters: new Map() };
      const bindings = new Map<string, UdpBinding>();
      let [upserted, removed] = [new Map<string, Frontend>(), new Set<string>()];
      for (const each of steps) {
        const frontend = frontendFrom(each);
        const { key } = frontend;
        if (!each.isRemoval) {
          present.set(key, frontend);
          upserted.set(key, frontend);
          removed.delete(key);
        } else if (present.delete(key)) {
          upserted.delete(key);
          removed.add(key);
        }
        if (!each.isApplied) continue;
        const options = { ...OPTIONS, podFamilies: each.podFamilies };
        const changed = udp.apply([...upserted.values()], [...removed], options);
        [upserted, removed] = [new Map(), new Set()];
        const ofUdp = [...present.values()].filter(({ protocol }) => protocol === "UDP");
        const expected = allOf(ofUdp, options, rolesOf(target));
        expect(target.listeners).toEqual(expected.listeners);
        expect(target.clusters).toEqual(expected.clusters);
        expect(udp.bindings).toEqual(expected.bindings);
        for (const key of changed) copy(key, udp.bindings, bindings);
        expect(bindings).toEqual(expected.bindings);
        const { listeners, clusters } = target.takeChanges() ?? { listeners: [], clusters: [] };
        for (const name of listeners) copy(name, target.listeners, replica.listeners);
        for (const name of clusters) copy(name, target.clusters, replica.clusters);
        expect(replica.listeners).toEqual(expected.listeners);
        expect(replica.clusters).toEqual(expected.clusters);
      }
    }),
    { numRuns: 300 },
  );
});

/** Brings `to` up to date at a key. */
function copy<T>(key: string, from: ReadonlyMap<string, T>, to: Map<string, T>): void {
  const value = from.get(key);
  if (value === undefined) to.delete(key);
  else to.set(key, value);
}

it("forgets what an Envoy had for frontends that are gone, and keeps the rest", () => {
  const frontend = frontendFrom({
    address: "10.96.0.1",
    service: "a",
    kind: "ClusterIP",
    verdict: "keep",
    affinityTimeoutSeconds: 0,
    backends: [],
    servingBackends: [],
    protocol: "UDP",
    isRemoval: false,
    podFamilies: [],
    isApplied: true,
  });
  const present = ["10.96.0.1", "10.96.0.2"].map((address, index) => {
    const at = `240.0.0.${index === 0 ? 1 : 9}`;
    return { name: `udp-keep/${address}:53/UDP/${at}`, address: at };
  });
  const udp = new TargetUdp(present, new Map(), countingBytes());
  udp.apply([frontend], [], { masqueradeAll: false, podFamilies: [] });
  expect([...udp.target.listeners.keys()]).toEqual([present[0]?.name]);
  const other = { ...frontend, address: "10.96.0.2", key: "10.96.0.2:53/UDP" };
  udp.apply([other], [], { masqueradeAll: false, podFamilies: [] });
  expect(udp.bindings.get(frontend.key)?.bound).toEqual({ keep: "240.0.0.1" });
  expect(udp.bindings.get(other.key)?.bound).toEqual({ keep: "240.0.0.2" });
});
