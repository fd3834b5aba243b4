// What happened to each Service on this node: the plugin's numbers and Envoy's, joined with the
// names of the node view → totals per ServicePort, and per backend where backends are counted.
//
// Use this module for anything that shows traffic (metrics, the live page): a snapshot has
// monotonic totals since Envoy started; rates are the difference of two snapshots by their
// `atMilliseconds`. It asks Envoy only when a caller reads, once for all concurrent readers. It
// keeps nothing between two reads but the names' hashes.
//
// A ServicePort appears with its first connection and disappears with its Service. The plugin keeps
// the entry of a removed one until readAndForgetGone(): its room is bounded, so what shows traffic
// calls that regularly. Connections that the kernel refuses or drops (Services without endpoints)
// never reach Envoy and are not counted. Connections are counted within a second.

import type { Protocol } from "../model/types.ts";
import type { Frontend } from "../node/types.ts";
import type { TableClient } from "../table/client.ts";
import { serviceIdOf } from "../wire/service-id.ts";
import { type Counters, OTHER_SERVICE_ID, type StatsEntry } from "../wire/stats.ts";
import { sumOf } from "./stats-of-envoys.ts";
import type { EnvoyUdpStats } from "./udp-stats.ts";

export interface ServicePortName {
  namespace: string;
  service: string;
  /** The port's name, or its number where it has none. */
  port: string;
  protocol: Protocol;
}

export interface ServiceStats extends ServicePortName, Counters {}

/** Of a UDP ServicePort; Envoy does not count its flows by Service. */
export interface UdpStats
  extends ServicePortName,
    Omit<EnvoyUdpStats, "namespace" | "service" | "portName"> {}

export interface BackendStats extends ServiceStats {
  backend: { address: string; port: number };
}

export interface ServiceStatsSnapshot {
  /** The time of the read, by the caller's clock. */
  atMilliseconds: number;
  /** TCP: those that were ever used, in no particular order. */
  services: ServiceStats[];
  /** UDP: the same. */
  udp: UdpStats[];
  /** Empty unless --service-metrics=backend. */
  backends: BackendStats[];
  /** Sum of what did not fit into the plugin's bounded pages. */
  other: Counters | undefined;
}

interface ServiceStatsOptions {
  /** Of this node's Envoys: StatsOfEnvoys. */
  table: Pick<TableClient, "stats" | "forgetStats">;
  /** Of the active Envoy; called only where there are UDP frontends. */
  udp: () => Promise<EnvoyUdpStats[]>;
  /** All of the node view; undefined while it is incomplete, so that nothing is forgotten. */
  frontends: () => Iterable<Frontend> | undefined;
  /** Milliseconds. */
  now: () => number;
}

/** A ServicePort of the node view. */
interface Known {
  name: ServicePortName;
  frontends: Frontend[];
}

interface Reading {
  snapshot: ServiceStatsSnapshot;
  /** Keys of entries whose Service, or whose backend, no longer exists. */
  gone: readonly Uint8Array[];
  /** Present once the plugin was asked to forget them. */
  forgotten?: Promise<void>;
}

export class ServiceStatsReader {
  readonly #options: ServiceStatsOptions;
  /** Hashes by the ServicePort's identity: hashing ten thousand takes longer than all the rest. */
  #ids = new Map<string, string>();
  #reading: Promise<Reading> | undefined;

  constructor(options: ServiceStatsOptions) {
    this.#options = options;
  }

  /**
   * Changes nothing in the plugin; an Envoy's counts survive its end from here on
   * (stats-of-envoys.ts). Rejects with TableError when Envoy does not answer.
   */
  async read(): Promise<ServiceStatsSnapshot> {
    return (await this.#readOnce()).snapshot;
  }

  /** As read(); the plugin also forgets the Services and backends that are gone. */
  async readAndForgetGone(): Promise<ServiceStatsSnapshot> {
    const reading = await this.#readOnce();
    reading.forgotten ??= this.#options.table.forgetStats(reading.gone);
    await reading.forgotten;
    return reading.snapshot;
  }

  #readOnce(): Promise<Reading> {
    this.#reading ??= this.#ask().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #ask(): Promise<Reading> {
    const { table, now } = this.#options;
    const entries = (await table.stats()) ?? [];
    const snapshot: ServiceStatsSnapshot = {
      atMilliseconds: now(),
      services: [],
      udp: [],
      backends: [],
      other: undefined,
    };
    const known = this.#known();
    if (!known) return { snapshot, gone: [] };
    snapshot.udp = await this.#udp(known);
    const gone = entries.filter((entry) => !addEntry(snapshot, entry, known));
    return { snapshot, gone: gone.map(({ keyBytes }) => keyBytes) };
  }

  async #udp(known: ReadonlyMap<string, Known>): Promise<UdpStats[]> {
    if (!known.values().some(({ name }) => name.protocol === "UDP")) return [];
    return (await this.#options.udp()).flatMap(({ namespace, service, portName, ...totals }) => {
      const id = serviceIdOf({ namespace, service, portName, protocol: "UDP" });
      const of = known.get(id);
      return of ? [{ ...of.name, ...totals }] : [];
    });
  }

  /** By service id. */
  #known(): Map<string, Known> | undefined {
    const frontends = this.#options.frontends();
    if (!frontends) return undefined;
    const ids = new Map<string, string>();
    const known = new Map<string, Known>();
    for (const frontend of frontends) {
      const { namespace, service, portName, protocol } = frontend;
      const identity = `${namespace}/${service}/${portName}/${protocol}`;
      const id = ids.get(identity) ?? this.#ids.get(identity) ?? serviceIdOf(frontend);
      ids.set(identity, id);
      const present = known.get(id);
      if (present) present.frontends.push(frontend);
      else known.set(id, { name: nameOf(frontend), frontends: [frontend] });
      if (portName === "" && frontend.kind === "ClusterIP") {
        (known.get(id) as Known).name = nameOf(frontend);
      }
    }
    this.#ids = ids;
    return known;
  }
}

function nameOf({ namespace, service, portName, port, protocol }: Frontend): ServicePortName {
  return { namespace, service, port: portName === "" ? String(port) : portName, protocol };
}

/** Returns false when the Service, or its backend, no longer exists. */
function addEntry(
  snapshot: ServiceStatsSnapshot,
  { serviceId, backend, counters }: StatsEntry,
  known: ReadonlyMap<string, Known>,
): boolean {
  if (serviceId === OTHER_SERVICE_ID) {
    snapshot.other = snapshot.other ? sumOf(snapshot.other, counters) : counters;
    return true;
  }
  const of = known.get(serviceId);
  if (!of) return false;
  if (!backend) {
    snapshot.services.push({ ...of.name, ...counters });
    return true;
  }
  const isThere = of.frontends.some((frontend) => hasBackend(frontend, backend));
  if (isThere) snapshot.backends.push({ ...of.name, ...counters, backend });
  return isThere;
}

function hasBackend(
  { backends, localBackends }: Frontend,
  { address, port }: { address: string; port: number },
): boolean {
  const isIt = (each: { address: string; port: number }) =>
    each.address === address && each.port === port;
  return backends.some(isIt) || localBackends.some(isIt);
}
