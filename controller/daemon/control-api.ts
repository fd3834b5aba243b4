// What `portico` commands and a running controller say to each other over control.sock: JSON over
// HTTP. Types and paths only.

import type { SourceOptions } from "../config.ts";
import type { Problem } from "../model/types.ts";

export const STATUS_PATH = "/v1/status";
/** PUT a wasm module to load it, DELETE to go back to the shipped one, GET for its state. */
export const PLUGIN_PATH = "/v1/plugin";
/** GET ?to=…&from=… (as `portico explain` takes them): an Explanation. */
export const EXPLAIN_PATH = "/v1/explain";

export interface PluginStatus {
  /** First 12 hex digits of the module's SHA-256; empty while none is active. */
  build: string;
  bytes: number;
  /** "shipped", or the file it was loaded from. */
  source: string;
  /** ISO 8601; empty while none is active. */
  activeSince: string;
  /** The last module that was refused and why. */
  lastRejection: { build: string; reason: string; at: string } | null;
}

/**
 * GET for the Envoys of this node; PUT to replace the one that serves (EnvoyReplacement, as JSON).
 */
export const ENVOY_PATH = "/v1/envoy";

export interface EnvoyReplacement {
  /** Path of a binary; absent: the one that the controller would start. */
  binary?: string;
  /** How long the present Envoy may go on with its connections. */
  drainMs: number;
  /** Whether an Envoy that goes on since an earlier replacement is ended now. */
  endDraining: boolean;
}

export interface EnvoyStatus {
  /** Whether the controller starts and supervises it. */
  supervised: boolean;
  /** The one that gets what is new; null while none answers. */
  active: {
    /** Folder of its sockets. */
    directory: string;
    /** null: it is not ours. */
    pid: number | null;
    version: string;
    uptimeSeconds: number;
    connections: number;
    udpFlows: number;
    /** In what it is not the one that the controller would start. */
    outdated: readonly string[];
  } | null;
  /** The one that goes on with its connections until then (ISO 8601); null when there is none. */
  draining: {
    directory: string;
    until: string;
    /** null: it does not say. */
    connections: number | null;
    udpFlows: number | null;
  } | null;
  /** The one that somebody else has started to take over; null where there is none. */
  standby: { directory: string; version: string } | null;
}

/** PUT: capture nothing more, until the controller is started anew. */
export const DRAIN_PATH = "/v1/drain";

export interface SourceStatus {
  kind: string;
  synced: boolean;
  /** Requests that had to be made again after a fault. */
  restarts: number;
  /** In plain words; empty when all is well. */
  error: string;
}

export interface ControllerStatus {
  version: string;
  pid: number;
  nodeName: string;
  /** In words. */
  source: string;
  /** The same for programs; paths are as the controller sees them, perhaps in a container. */
  fedBy: SourceOptions;
  watches: SourceStatus[];
  envoyConnected: boolean;
  /** Version of the service table that Envoy acknowledged last; 0 for none. */
  tableVersion: number;
  frontends: number;
  lastSync: { at: string; durationMs: number; error: string } | null;
  plugin: PluginStatus;
  problems: Problem[];
}

/** What a refused request carries. */
export interface ControlError {
  error: string;
}
