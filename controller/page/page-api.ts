// What the live page asks and is told: JSON over HTTP, GET only. Types and paths; the server's end
// is routes.ts, the browser's is browser/.
//
// Times are milliseconds since 1970. Rates are per second.

/** PageState. */
export const STATE_PATH = "/api/state";
/** ServiceList; ?search=WORDS&show=all|attention&sort=name|traffic|changed&offset=N&limit=N. */
export const SERVICES_PATH = "/api/services";
/** ServiceMap; ?search=WORDS&show=all|attention. */
export const MAP_PATH = "/api/map";
/** ServiceDetail; ?name=NAMESPACE/NAME. */
export const SERVICE_PATH = "/api/service";

/** bad: something does not work now; warn: somebody should look; good: all is well. */
export type Level = "good" | "warn" | "bad";

export interface Finding {
  level: Level;
  title: string;
  detail: string;
  /** When it was so, if that matters. */
  at?: number;
}

export interface PageState {
  node: string;
  version: string;
  /** For people: where the objects come from. */
  source: string;
  /** The worst of the findings. */
  level: Level;
  findings: Finding[];
  /** The first of them; problemCount says how many there are. */
  problems: { object: string; message: string }[];
  problemCount: number;
  services: number;
  /** Of them, those of each health; attention: those with another than "serving" or a problem. */
  health: Record<ServiceHealth, number>;
  attention: number;
  backends: number;
  /** Of them, those on this node. */
  localBackends: number;
  /** Whether connections are counted per Service. */
  counted: boolean;
  /** Undefined until it was measured twice. */
  traffic?: TrafficNow;
  history: TrafficHistory;
  /** The newest first. */
  changes: Change[];
}

export interface TrafficNow {
  connectionsPerSecond: number;
  openConnections: number;
  failuresPerSecond: number;
  /** From clients. */
  receivedBytesPerSecond: number;
  /** To clients. */
  sentBytesPerSecond: number;
}

/** Rows of equal length, the oldest first, one value for each interval. */
export interface TrafficHistory {
  intervalSeconds: number;
  connectionsPerSecond: number[];
  openConnections: number[];
  bytesPerSecond: number[];
}

/**
 * serving: every front door has a backend. partly: some have none. refusing: none has one, and
 * clients are refused or wait in vain.
 */
export type ServiceHealth = "serving" | "partly" | "refusing";

export interface ServiceRow {
  namespace: string;
  name: string;
  health: ServiceHealth;
  /** Problems of its objects. */
  problems: number;
  /** The first of its front doors, "address:port/protocol"; doorCount says how many there are. */
  doors: string[];
  doorCount: number;
  backends: number;
  /** Of them, those on this node. */
  localBackends: number;
  /** Undefined where nobody counts per Service. */
  traffic?: TrafficNow;
  /** Undefined: not since the controller started. */
  changedAt?: number;
}

export interface ServiceList {
  /** All that match, not only this page. */
  total: number;
  offset: number;
  rows: ServiceRow[];
}

/** Every Service that matches, one character each, in the order of their names. */
export interface ServiceMap {
  namespaces: { name: string; count: number }[];
  /** s, p, r: its health; S, P, R: the same, with a problem. */
  health: string;
  /** 0 to 9: how busy it is, 9 the most; "-" where nobody counts. */
  load: string;
}

export interface DoorDetail {
  /** "address:port/protocol" */
  door: string;
  kind: string;
  portName: string;
  /** Of the kernel; as in node/types.ts. */
  verdict: string;
  /** Indexes into endpoints; none where connections are refused. */
  backends: number[];
  /** How many there are, with those that endpoints does not list. */
  backendCount: number;
  allowedSources: string[];
}

export interface EndpointDetail {
  /** "address:port" */
  endpoint: string;
  pod: string;
  node: string;
  zone: string;
  local: boolean;
  /** Whether any front door sends connections to it. */
  used: boolean;
  /** Why it gets none, or no new ones; empty for one that is ready. */
  state: "" | "not ready" | "terminating";
}

export interface ServiceDetail {
  namespace: string;
  name: string;
  health: ServiceHealth;
  /** For people: type, session affinity, policies where they are not the defaults. */
  settings: { name: string; value: string }[];
  doors: DoorDetail[];
  /** The first of them; endpointCount says how many there are. */
  endpoints: EndpointDetail[];
  endpointCount: number;
  traffic?: TrafficNow;
  problems: string[];
  changes: Change[];
}

export interface Change {
  /** Grows; unique while the controller runs. */
  id: number;
  at: number;
  level: Level;
  /** "namespace/name" of the Service, or empty for the node itself. */
  service: string;
  text: string;
}
