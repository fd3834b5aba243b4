// Envoy and the kernel as far as the order of programming can tell: every step may fail, before or
// after it took effect, and what must hold is looked at after each. What Envoy gets for UDP comes
// from the real publisher, through a server that forgets nothing.

import { EMPTY_KERNEL_TARGET, type KernelTarget } from "../../controller/capture/kernel-target.ts";
import { sameData } from "../../controller/model/same-data.ts";
import { EMPTY_CAPTURE_SET } from "../../controller/node/capture-set.ts";
import { DEFAULT_SETTINGS } from "../../controller/node/frontend-settings.ts";
import type { CaptureSet, Frontend, FrontendKey } from "../../controller/node/types.ts";
import type { TableEntry } from "../../controller/sync/plan.ts";
import type { Gateways, Listeners, Target } from "../../controller/sync/reconcile.ts";
import { KERNEL_PARTS, OwnKernelTarget } from "../../controller/sync/target-kernel.ts";
import { TargetUdp } from "../../controller/sync/target-udp.ts";
import { XdsRejectedError } from "../../controller/xds/errors.ts";
import type { Resource } from "../../controller/xds/protos.ts";
import { CLUSTER_TYPE, ENDPOINTS_TYPE, LISTENER_TYPE } from "../../controller/xds/type-urls.ts";
import { UdpPublisher } from "../../controller/xds/udp-publisher.ts";
import { capturedFrontends, partsWithoutUdp } from "./captured.ts";

/** Backends per frontend: what targets and the simulated data plane are made of. All are UDP. */
export type Plain = Record<FrontendKey, number>;

/** "10.96.0.N:53/UDP" */
export function keyOf(number: number): FrontendKey {
  return `10.96.0.${number}:53/UDP`;
}

/** The frontends of a state, as the controller under test sees them. */
export class Controller {
  readonly publisher: UdpPublisher;
  /** Names of the listeners that Envoy had when it started. */
  readonly inherited: ReadonlySet<string>;
  readonly #udp: TargetUdp;
  #state: Plain = {};

  constructor(plane: DataPlane) {
    const { xds } = plane;
    this.publisher = new UdpPublisher({ xds, clusters: [], port: 15404, flowLimit: () => 1 });
    this.publisher.keepListeners([{ "@type": LISTENER_TYPE, name: "capture" }]);
    const present = [...plane.listeners].map(([name, { address }]) => ({ name, address }));
    this.#udp = new TargetUdp(present);
    this.inherited = new Set(plane.listeners.keys());
  }

  target(state: Plain): Target {
    const removed = Object.keys(this.#state).filter((key) => !(key in state));
    this.#state = state;
    const frontends = Object.entries(state).map(([key, count]) => frontendOf(key, count));
    const options = { masqueradeAll: false, podFamilies: [] };
    this.#udp.apply(frontends, removed, options);
    const entries = Object.entries(state).map(
      ([key, count]) => [key, entryOf(key, count)] as const,
    );
    const { target: udp, bindings } = this.#udp;
    const kernel = { ...partsWithoutUdp(captureOf(state)), udpBindings: new Map(bindings) };
    return { table: new Map(entries), udp, kernel };
  }
}

export function captureOf(state: Plain): CaptureSet {
  return {
    ...EMPTY_CAPTURE_SET,
    frontends: capturedFrontends(
      Object.fromEntries(
        Object.entries(state).map(([key, count]) => [key, count ? "keep" : "refuse"] as const),
      ),
    ),
  };
}

function entryOf(key: FrontendKey, backendCount: number): TableEntry {
  return { key: Buffer.from(key), record: Buffer.from(`${key}=${backendCount}`), backendCount };
}

function frontendOf(key: FrontendKey, count: number): Frontend {
  const backends = Array.from({ length: count }, (_, index) => {
    return { address: `10.1.1.${index}`, port: 53, local: true };
  });
  return {
    key,
    address: key.slice(0, key.indexOf(":")),
    port: 53,
    protocol: "UDP",
    family: "IPv4",
    kind: "ClusterIP",
    namespace: "test",
    service: key,
    portName: "",
    verdict: count > 0 ? "keep" : "refuse",
    backends,
    localBackends: [],
    servingBackends: backends,
    allowedSources: [],
    affinityTimeoutSeconds: 0,
    settings: DEFAULT_SETTINGS,
  };
}

interface SimulatedListener {
  address: string;
  cluster: string;
  /** The resource that it came from: one that comes again as it was is not looked at. */
  text: string;
}

export class DataPlane {
  version = 0;
  table = new Map<FrontendKey, TableEntry>();
  captured: OwnKernelTarget | undefined;
  listening = false;
  /** UDP listeners by name, and hosts that take new flows by cluster. */
  listeners = new Map<string, SimulatedListener>();
  clusters = new Map<string, number>();
  /** Frontends of which Envoy takes no listener. */
  bad = new Set<FrontendKey>();
  /** Frontends for which nothing need hold for the time being. */
  excused: (key: FrontendKey) => boolean = () => false;
  readonly steps: string[] = [];
  /** Called before and after each step; throws to make it fail. */
  fault: () => void = () => {};
  /** What the xDS server was last set to, by type. */
  readonly #set = new Map<string, readonly Resource[]>();

  readonly xds = {
    set: (typeUrl: string, resources: readonly Resource[]) => {
      this.#set.set(typeUrl, resources);
      return this.#step("", () => this.#deliver(typeUrl));
    },
    change: (typeUrl: string, upserts: readonly Resource[], removals: readonly string[]) => {
      const gone = new Set([...removals, ...upserts.map(nameOf)]);
      const kept = (this.#set.get(typeUrl) ?? []).filter((each) => !gone.has(nameOf(each)));
      return this.xds.set(typeUrl, [...kept, ...upserts]);
    },
    admitListeners: () =>
      this.#step("listen", () => {
        this.listening = true;
        return this.#deliver(LISTENER_TYPE);
      }),
  };

  gateways(controller: () => Controller): Gateways {
    return {
      table: {
        version: async () => ({ version: this.version }),
        read: async () => {
          this.fault();
          return { version: this.version, entries: new Map(this.table) };
        },
        pushSnapshot: (entries) => this.#step("snapshot", () => this.#replaceTable(entries)),
        pushDelta: (base, upserts, removals) =>
          this.#step(`delta +${upserts.length} -${removals.length}`, () => {
            if (base !== this.version) throw new Error(`conflict: ${base} is not ${this.version}`);
            const rest = new Map(this.table);
            for (const { key } of removals) rest.delete(key.toString());
            return this.#replaceTable([...rest.values(), ...upserts]);
          }),
      },
      listeners: () => this.#listeners(controller()),
      capture: {
        needsFull: false,
        full: (target) =>
          this.#step("capture all", () => {
            this.captured = new OwnKernelTarget();
            this.#change(this.captured, EMPTY_KERNEL_TARGET, target);
          }),
        update: (previous, next) =>
          this.#step("capture", () => {
            if (!this.captured) throw new Error("the kernel has nothing");
            this.#change(this.captured, previous, next);
          }),
        verify: async () => this.captured !== undefined,
        isPresent: async () => this.captured !== undefined,
      },
    };
  }

  /** Envoy starts anew: no table, no listeners, clusters at once. The kernel does not notice. */
  restartEnvoy(): void {
    this.version = 0;
    this.table.clear();
    this.listening = false;
    this.listeners.clear();
    this.clusters.clear();
    this.#deliver(CLUSTER_TYPE);
  }

  /** The controller starts anew, with an xDS server that knows nothing yet. */
  restartController(): void {
    this.#set.clear();
  }

  /** Frontends with a listener whose cluster has no hosts. */
  withoutHosts(): FrontendKey[] {
    const listeners = [...this.listeners].filter(([, { cluster }]) => !this.clusters.get(cluster));
    return listeners.map(([name]) => name.split("/").slice(1, 3).join("/"));
  }

  /** Whatever is handed over has a record with backends, and listeners on clusters with hosts. */
  broken(): string[] {
    if (!this.captured || !this.listening) return [];
    const handedOver = [...this.captured.frontends].filter(([, { verdict }]) => verdict === "keep");
    return handedOver.flatMap(([key]) => {
      if (this.excused(key)) return [];
      if (!this.table.get(key)?.backendCount) return [`${key}: no record with backends`];
      const wanted = Object.values(this.captured?.udpBindings.get(key)?.bound ?? {});
      const bound = new Map([...this.listeners.values()].map((each) => [each.address, each]));
      return wanted
        .filter((address) => !this.clusters.get(bound.get(address)?.cluster ?? ""))
        .map((address) => `${key}: no listener with hosts at ${address}`);
    });
  }

  #listeners({ publisher, inherited }: Controller): Listeners {
    return {
      active: this.listening,
      inherited: publisher.hasSetListeners ? undefined : inherited,
      add: async (udp) => {
        await publisher.add(udp, this.listening ? [] : [1]);
        return publisher.refused();
      },
      removeOthers: (udp) => publisher.removeOthers(udp),
    };
  }

  /** Changes what differs; whatever the previous target names must be there. */
  #change(captured: OwnKernelTarget, previous: KernelTarget, next: KernelTarget): void {
    for (const part of KERNEL_PARTS) {
      const [before, after] = [new Map(entriesOf(previous[part])), new Map(entriesOf(next[part]))];
      for (const [key, value] of before) {
        if (!sameData(captured.get(part, key), value)) throw new Error(`${part}: not ${key}`);
        captured.set(part, key, undefined);
      }
      for (const [key, value] of after) captured.set(part, key, value);
    }
  }

  #replaceTable(entries: readonly TableEntry[]): number {
    this.table = new Map(entries.map((each) => [each.key.toString(), each]));
    this.version += 1;
    return this.version;
  }

  /** As Envoy does with an answer: good listeners are taken, the bad ones stay as they were. */
  #deliver(typeUrl: string): { envoys: number } {
    const resources = this.#set.get(typeUrl);
    if (typeUrl === ENDPOINTS_TYPE || typeUrl === CLUSTER_TYPE) this.#deliverClusters();
    if (typeUrl !== LISTENER_TYPE || !this.listening || !resources) return { envoys: 1 };
    const before = this.listeners;
    const udp = resources.filter(({ name }) => String(name).startsWith("udp-"));
    const isBad = (each: Resource) =>
      before.get(String(each.name))?.text !== JSON.stringify(each) &&
      [...this.bad].some((key) => String(each.name).includes(`/${key}/`));
    const taken = udp.map((each): [string, SimulatedListener | undefined] => {
      return [String(each.name), isBad(each) ? before.get(String(each.name)) : listenerFrom(each)];
    });
    this.listeners = new Map(taken.flatMap(([name, each]) => (each ? [[name, each]] : [])));
    const refused = udp.filter(isBad).map(({ name }) => String(name));
    if (refused.length === 0) return { envoys: 1 };
    const detail = refused.map((name) => `${name}: cannot bind\n`).join("");
    throw new XdsRejectedError(typeUrl, refused, `Error adding/updating listener(s) ${detail}`);
  }

  /** Endpoints matter where there is a cluster; a cluster is there once it has its endpoints. */
  #deliverClusters(): void {
    const assignments = this.#set.get(ENDPOINTS_TYPE) ?? [];
    const hosts = new Map(assignments.map((each) => [String(each.cluster_name), hostsIn(each)]));
    const set = this.#set.get(CLUSTER_TYPE)?.map(({ name }) => String(name));
    const wanted = set ?? [...this.clusters.keys()];
    for (const name of this.clusters.keys()) if (!wanted.includes(name)) this.clusters.delete(name);
    for (const name of wanted) {
      const count = hosts.get(name);
      if (count !== undefined) this.clusters.set(name, count);
    }
  }

  async #step<Result>(name: string, effect: () => Result): Promise<Result> {
    this.fault();
    const result = effect();
    if (name !== "") this.steps.push(name);
    const broken = this.broken();
    if (broken.length > 0) throw new Broken(`after "${name}": ${broken.join(", ")}`);
    this.fault();
    return result;
  }
}

function* entriesOf(
  part: KernelTarget[keyof KernelTarget],
): Generator<readonly [key: string, value: unknown]> {
  for (const entry of part) yield typeof entry === "string" ? [entry, true] : entry;
}

/** What must never be: not one of the failures that are simulated. */
export class Broken extends Error {}

function nameOf({ name, cluster_name }: Resource): string {
  return String(name ?? cluster_name);
}

function listenerFrom(resource: Resource): SimulatedListener {
  const text = JSON.stringify(resource);
  const [, address = ""] = /"address":"([^"]+)"/.exec(text) ?? [];
  const [, cluster = ""] = /"cluster":"([^"]+)"/.exec(text) ?? [];
  return { address, cluster, text };
}

function hostsIn(assignment: Resource): number {
  const [group] = assignment.endpoints as { lb_endpoints: unknown[] }[];
  return group?.lb_endpoints.length ?? 0;
}
