// The protocol between `portico` commands and a running controller over control.sock: JSON over
// HTTP. Types and paths only.

import type { SourceOptions } from "../config/run-options.ts";
import type { Problem } from "../model/types.ts";
import type { SyncStatus } from "../plane/node-sync.ts";
import type { PluginStatus } from "../rollout/plugin-status.ts";

export const STATUS_PATH = "/v1/status";
/** PUT a wasm module to load it, DELETE to go back to the shipped one, GET for its state. */
export const PLUGIN_PATH = "/v1/plugin";
/** GET ?to=…&from=… (as `portico explain` takes them): an Explanation. */
export const EXPLAIN_PATH = "/v1/explain";

/**
 * GET for the Envoys of this node (EnvoyStatus of envoys/envoy-status.ts); PUT to replace the one
 * that serves (EnvoyReplacement, as JSON).
 */
export const ENVOY_PATH = "/v1/envoy";

/** PUT: capture nothing more, until the controller restarts. */
export const DRAIN_PATH = "/v1/drain";

export interface SourceStatus {
  kind: string;
  synced: boolean;
  /** Requests repeated after a fault. */
  restarts: number;
  /** In words; empty when all is well. */
  error: string;
}

export interface ControllerStatus extends SyncStatus {
  version: string;
  pid: number;
  nodeName: string;
  /** In words. */
  source: string;
  /** The same for programs; paths as the controller sees them, perhaps in a container. */
  fedBy: SourceOptions;
  watches: SourceStatus[];
  envoyConnected: boolean;
  plugin: PluginStatus;
  problems: Problem[];
}

/** The body of a refused request. */
export interface ControlError {
  error: string;
}
