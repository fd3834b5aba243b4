// The Services that match a query, sorted, one page of them → rows; all of them → the map. Pure;
// the caller gives what is known about each Service in addition to its frontends.

import type { ObjectKey } from "../model/types.ts";
import type { ServiceList, ServiceMap, ServiceRow, TrafficNow } from "./page-api.ts";
import { type IndexedService, matches } from "./service-index.ts";

export interface KnownOfServices {
  /** How many problems its objects have. */
  problems(service: ObjectKey): number;
  /** Undefined where nothing counts per Service. */
  traffic(service: ObjectKey): TrafficNow | undefined;
  changedAt(service: ObjectKey): number | undefined;
}

interface ServiceQuery {
  /** Lower case; all must match. */
  words: readonly string[];
  /** Only those that an operator should look at. */
  attention: boolean;
  sort: "name" | "traffic" | "changed";
  offset: number;
  limit: number;
}

const MOST_ROWS = 200;
const FRONTENDS_SHOWN = 3;
const MOST_WORDS = 8;

/**
 * Reads a query of the page. Never fails: absent or wrong values get their default, and values over
 * a limit the limit.
 */
export function serviceQueryFrom(query: URLSearchParams): ServiceQuery {
  const sort = query.get("sort");
  const search = (query.get("search") ?? "").toLowerCase();
  return {
    words: search.split(/\s+/).filter(Boolean).slice(0, MOST_WORDS),
    attention: query.get("show") === "attention",
    sort: sort === "traffic" || sort === "changed" ? sort : "name",
    offset: countFrom(query.get("offset"), 0, Number.MAX_SAFE_INTEGER),
    limit: countFrom(query.get("limit"), 50, MOST_ROWS),
  };
}

function countFrom(text: string | null, otherwise: number, most: number): number {
  const number = Number(text ?? otherwise);
  return Number.isSafeInteger(number) && number >= 0 ? Math.min(number, most) : otherwise;
}

/** Reports whether an operator should look at it. */
export function needsAttention(service: IndexedService, known: KnownOfServices): boolean {
  return service.health !== "serving" || known.problems(service.key) > 0;
}

/** An offset beyond the end gives the last page. */
export function serviceList(
  services: readonly IndexedService[],
  query: ServiceQuery,
  known: KnownOfServices,
): ServiceList {
  const found = sorted(find(services, query, known), query.sort, known);
  const { limit } = query;
  const lastPage = limit === 0 ? 0 : Math.floor(Math.max(0, found.length - 1) / limit) * limit;
  const offset = Math.min(query.offset, lastPage);
  const rows = found.slice(offset, offset + limit).map((service) => rowOf(service, known));
  return { total: found.length, offset, rows };
}

/**
 * Returns one letter per Service that the query finds, in the order of `services`, where those of
 * one namespace follow each other. Sorting and paging of the query do not matter.
 */
export function serviceMap(
  services: readonly IndexedService[],
  query: ServiceQuery,
  known: KnownOfServices,
): ServiceMap {
  const map: ServiceMap = { namespaces: [], health: "", load: "" };
  for (const service of find(services, query, known)) {
    const last = map.namespaces.at(-1);
    if (last?.name === service.namespace) last.count += 1;
    else map.namespaces.push({ name: service.namespace, count: 1 });
    const letter = service.health.charAt(0);
    map.health += known.problems(service.key) > 0 ? letter.toUpperCase() : letter;
    map.load += loadOf(known.traffic(service.key));
  }
  return map;
}

function find(
  services: readonly IndexedService[],
  { words, attention }: ServiceQuery,
  known: KnownOfServices,
): readonly IndexedService[] {
  if (words.length === 0 && !attention) return services;
  return services.filter(
    (service) => matches(service, words) && (!attention || needsAttention(service, known)),
  );
}

function sorted(
  services: readonly IndexedService[],
  by: ServiceQuery["sort"],
  known: KnownOfServices,
): readonly IndexedService[] {
  if (by === "name") return services;
  const weigh = (key: ObjectKey): number =>
    by === "changed" ? (known.changedAt(key) ?? 0) : busyness(known.traffic(key));
  const weights = new Map(services.map(({ key }) => [key, weigh(key)]));
  // Stable: those of equal weight stay in the order of their names.
  return services.toSorted((a, b) => (weights.get(b.key) ?? 0) - (weights.get(a.key) ?? 0));
}

/** UDP has no connections, and long connections are rare. */
const BYTES_OF_A_CONNECTION = 10_000;

function busyness(traffic: TrafficNow | undefined): number {
  if (!traffic) return 0;
  const { connectionsPerSecond, openConnections } = traffic;
  const bytes = traffic.receivedBytesPerSecond + traffic.sentBytesPerSecond;
  return connectionsPerSecond + openConnections / 1_000 + bytes / BYTES_OF_A_CONNECTION;
}

/** Returns 1 for a tenth of a connection per second or less, 9 for 5,000 or more. */
function loadOf(traffic: TrafficNow | undefined): string {
  if (!traffic) return "-";
  const rate = busyness(traffic);
  if (rate === 0) return "0";
  return String(Math.min(9, Math.max(1, Math.round(2.5 + Math.log10(rate) * 1.75))));
}

function rowOf(service: IndexedService, known: KnownOfServices): ServiceRow {
  const { key, namespace, name, health, frontends, backends, localBackends } = service;
  const traffic = known.traffic(key);
  const changedAt = known.changedAt(key);
  return {
    namespace,
    name,
    health,
    problems: known.problems(key),
    doors: frontends.slice(0, FRONTENDS_SHOWN).map((frontend) => frontend.key),
    doorCount: frontends.length,
    backends: backends.size,
    localBackends,
    ...(traffic === undefined ? {} : { traffic }),
    ...(changedAt === undefined ? {} : { changedAt }),
  };
}
