// How to replace an Envoy, and what the controller reports about its node's Envoys. Types only.

export interface EnvoyReplacement {
  /** Path of a binary; absent: the one that the controller would start. */
  binary?: string;
  /** How long the present Envoy may keep its connections. */
  drainMs: number;
  /** Whether to end an Envoy that still drains after an earlier replacement. */
  endDraining: boolean;
}

export interface EnvoyStatus {
  /** Whether the controller starts and supervises it. */
  supervised: boolean;
  /** The one that gets new connections; null while none answers. */
  active: {
    /** Folder of its sockets. */
    directory: string;
    /** null: Portico did not start it. */
    pid: number | null;
    version: string;
    uptimeSeconds: number;
    connections: number;
    udpFlows: number;
    /** How it differs from the one that the controller would start. */
    outdated: readonly string[];
  } | null;
  /** The one that keeps its connections until then (ISO 8601); null when there is none. */
  draining: {
    directory: string;
    until: string;
    /** null: it does not report them. */
    connections: number | null;
    udpFlows: number | null;
  } | null;
  /** The one that another program has started to take over; null where there is none. */
  standby: { directory: string; version: string } | null;
}
