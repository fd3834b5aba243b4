// The live page's requests and answers: JSON over HTTP, GET only. Types and paths; the server's end
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

/** bad: something does not work now; warn: an operator should look; good: all is well. */
export type Level = "good" | "warn" | "bad";

export interface Finding {
  level: Level;
  title: string;
  detail: string;
  /** The time of the finding, if that matters. */
  at?: number;
}

export interface PageState {
  node: string;
  version: string;
  /** For operators: where the objects come from. */
  source: string;
  /** The worst of the findings. */
  level: Level;
  findings: Finding[];
  /** The first of them; problemCount says how many there are. */
  problems: { object: string; message: string }[];
  problemCount: number;
  services: number;
  /** How many of them have each health; attention: those not "serving" or with a problem. */
  health: Record<ServiceHealth, number>;
  attention: number;
  backends: number;
  /** How many of them are on this node. */
  localBackends: number;
  /** Whether connections are counted per Service. */
  counted: boolean;
  /** Undefined until two measurements exist. */
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

/** Series of equal length, the oldest value first, one for each interval. */
export interface TrafficHistory {
  intervalSeconds: number;
  connectionsPerSecond: number[];
  openConnections: number[];
  bytesPerSecond: number[];
}

/**
 * serving: every frontend has a backend. partly: some have none. refusing: none has one, and
 * clients are refused or get no answer.
 */
export type ServiceHealth = "serving" | "partly" | "refusing";

export interface ServiceRow {
  namespace: string;
  name: string;
  health: ServiceHealth;
  /** Problems of its objects. */
  problems: number;
  /** The first of its frontends, "address:port/protocol"; doorCount says how many there are. */
  doors: string[];
  doorCount: number;
  backends: number;
  /** How many of them are on this node. */
  localBackends: number;
  /** Undefined where nothing counts per Service. */
  traffic?: TrafficNow;
  /** Undefined: no change since the controller started. */
  changedAt?: number;
}

export interface ServiceList {
  /** The number of matches, not only those of this page. */
  total: number;
  offset: number;
  rows: ServiceRow[];
}

/** Every matching Service, one character each, in the order of their names. */
export interface ServiceMap {
  namespaces: { name: string; count: number }[];
  /** s, p, r: its health; S, P, R: the same, with a problem. */
  health: string;
  /** 0 to 9: how busy it is, 9 the most; "-" where nothing counts. */
  load: string;
}

export interface FrontendDetail {
  /** "address:port/protocol" */
  door: string;
  kind: string;
  portName: string;
  /** The kernel's verdict, as in node/types.ts. */
  verdict: string;
  /** Indexes into endpoints; none where connections are refused. */
  backends: number[];
  /** How many there are, including those that endpoints does not list. */
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
  /** Whether any frontend sends connections to it. */
  used: boolean;
  /** Why it gets no connections, or no new ones; empty for one that is ready. */
  state: "" | "not ready" | "terminating";
  /** How it fails, if new connections leave it alone for that; empty if they do not. */
  fails: string;
}

export interface ServiceDetail {
  namespace: string;
  name: string;
  health: ServiceHealth;
  /** For operators: type, session affinity, policies where they are not the defaults. */
  settings: { name: string; value: string }[];
  doors: FrontendDetail[];
  /** The first of them; endpointCount says how many there are. */
  endpoints: EndpointDetail[];
  endpointCount: number;
  traffic?: TrafficNow;
  problems: string[];
  changes: Change[];
}

export interface Change {
  /** Increases; unique while the controller runs. */
  id: number;
  at: number;
  level: Level;
  /** "namespace/name" of the Service, or empty for the node itself. */
  service: string;
  text: string;
}
