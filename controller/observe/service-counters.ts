// What happened to each Service on this node: the plugin's numbers and Envoy's, joined with the
// names of the node view → totals per ServicePort, and per backend where those are counted.
//
// The module to use for anything that shows traffic (metrics, the live page): read() gives
// monotonic totals since Envoy started; rates are the difference of two of them by their
// `atMilliseconds`. Whoever reads asks Envoy, once for all who ask at the same time; nobody reads,
// nobody asks. It keeps nothing between two reads but the names' hashes.
//
// A ServicePort appears with its first connection and is gone with its Service: the plugin is told
// then to forget it. Connections that the kernel refuses or drops (Services without endpoints)
// never come to Envoy and are not counted. What happens is counted within a second.

import type { Protocol } from "../model/types.ts";
import type { Frontend } from "../node/types.ts";
import type { TableClient } from "../table/client.ts";
import { servicePortId } from "../wire/service-port.ts";
import { type Counters, OTHER_SERVICE_PORTS, type StatsEntry } from "../wire/stats.ts";
import { sumOf } from "./stats-of-envoys.ts";
import type { UdpTotals } from "./udp-counters.ts";

export interface ServicePortName {
  namespace: string;
  service: string;
  /** Name of the port, or its number where it has no name. */
  port: string;
  protocol: Protocol;
}

export interface ServiceCounters extends ServicePortName, Counters {}

/** Of a UDP ServicePort; Envoy does not count its flows by Service. */
export interface UdpCounters
  extends ServicePortName,
    Omit<UdpTotals, "namespace" | "service" | "portName"> {}

export interface BackendCounters extends ServiceCounters {
  backend: { address: string; port: number };
}

export interface ServiceCountersSnapshot {
  /** When it was read, by the caller's clock. */
  atMilliseconds: number;
  /** TCP: those that were ever used, in no order. */
  services: ServiceCounters[];
  /** UDP: the same. */
  udp: UdpCounters[];
  /** Empty unless --service-metrics=backend. */
  backends: BackendCounters[];
  /** Sum of what found no room in the plugin's bounded pages. */
  other: Counters | undefined;
}

export interface ServiceCountersOptions {
  /** Of this node's Envoys: StatsOfEnvoys. */
  table: Pick<TableClient, "stats" | "forgetStats">;
  /** Of the Envoy that gets what is new; asked only where there are UDP frontends. */
  udp: () => Promise<UdpTotals[]>;
  /** All of the node view; undefined while that is not whole, so that nothing is forgotten. */
  frontends: () => Iterable<Frontend> | undefined;
  /** Milliseconds. */
  now: () => number;
}

/** A ServicePort of the node view. */
interface Known {
  name: ServicePortName;
  frontends: Frontend[];
}

export class ServiceCountersReader {
  readonly #options: ServiceCountersOptions;
  /** By the ServicePort's identity: hashing ten thousand takes longer than all the rest. */
  #ids = new Map<string, string>();
  #reading: Promise<ServiceCountersSnapshot> | undefined;

  constructor(options: ServiceCountersOptions) {
    this.#options = options;
  }

  /** Rejects with TableError when Envoy does not answer. */
  read(): Promise<ServiceCountersSnapshot> {
    this.#reading ??= this.#readOnce().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #readOnce(): Promise<ServiceCountersSnapshot> {
    const { table, now } = this.#options;
    const entries = (await table.stats()) ?? [];
    const snapshot: ServiceCountersSnapshot = {
      ...{ atMilliseconds: now(), services: [], udp: [], backends: [], other: undefined },
    };
    const known = this.#known();
    if (!known) return snapshot;
    snapshot.udp = await this.#udp(known);
    const gone: StatsEntry[] = [];
    for (const entry of entries) if (!addEntry(snapshot, entry, known)) gone.push(entry);
    await table.forgetStats(gone.map(({ keyBytes }) => keyBytes));
    return snapshot;
  }

  async #udp(known: ReadonlyMap<string, Known>): Promise<UdpCounters[]> {
    if (!known.values().some(({ name }) => name.protocol === "UDP")) return [];
    return (await this.#options.udp()).flatMap(({ namespace, service, portName, ...totals }) => {
      const id = servicePortId({ namespace, service, portName, protocol: "UDP" });
      const of = known.get(id);
      return of ? [{ ...of.name, ...totals }] : [];
    });
  }

  /** By servicePortId. */
  #known(): Map<string, Known> | undefined {
    const frontends = this.#options.frontends();
    if (!frontends) return undefined;
    const ids = new Map<string, string>();
    const known = new Map<string, Known>();
    for (const frontend of frontends) {
      const { namespace, service, portName, protocol } = frontend;
      const identity = `${namespace}/${service}/${portName}/${protocol}`;
      const id = ids.get(identity) ?? this.#ids.get(identity) ?? servicePortId(frontend);
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

/** False when the Service, or the backend of it, is not there any more. */
function addEntry(
  snapshot: ServiceCountersSnapshot,
  { servicePort, backend, counters }: StatsEntry,
  known: ReadonlyMap<string, Known>,
): boolean {
  if (servicePort === OTHER_SERVICE_PORTS) {
    snapshot.other = snapshot.other ? sumOf(snapshot.other, counters) : counters;
    return true;
  }
  const of = known.get(servicePort);
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
