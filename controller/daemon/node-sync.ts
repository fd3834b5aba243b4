// Cluster state → data plane, for this node: follows the state, and reconciles when the runner says
// so. The pure steps are node's and sync's; this holds the state between them.

import { capturedFamilies } from "../capture/kernel-settings.ts";
import { DEFAULT_CAPTURE_OPTIONS } from "../capture/options.ts";
import { systemClock } from "../clock.ts";
import type { RunOptions } from "../config.ts";
import type { ClusterState } from "../model/cluster-state.ts";
import { NodeFollower } from "../node/follow-cluster.ts";
import type { CaptureSet } from "../node/types.ts";
import type { Log } from "../observe/log.ts";
import type { Problems } from "../observe/problems.ts";
import { Reconciler } from "../sync/reconcile.ts";
import { Runner } from "../sync/runner.ts";
import { TargetTable } from "../sync/target-table.ts";
import type { TableClient } from "../table/client.ts";
import { TableError } from "../table/table-error.ts";
import type { XdsServer } from "../xds/server.ts";
import type { ControllerStatus } from "./control-api.ts";
import { CaptureOfNode, listenersOf, tableGateway } from "./data-plane.ts";

const RETRY_MIN_MS = 50;
const RETRY_MAX_MS = 5_000;

interface NodeSyncParts {
  options: RunOptions;
  state: ClusterState;
  problems: Problems;
  log: Log;
  table: TableClient;
  xds: XdsServer;
}

export class NodeSync {
  readonly #parts: NodeSyncParts;
  readonly #follower: NodeFollower;
  readonly #target = new TargetTable();
  readonly #capture: CaptureOfNode;
  readonly #reconciler: Reconciler;
  readonly #runner: Runner;
  #last: ControllerStatus["lastSync"] = null;

  constructor(parts: NodeSyncParts) {
    this.#parts = parts;
    const { options, state, table, xds } = parts;
    this.#follower = new NodeFollower(state, options);
    this.#capture = new CaptureOfNode({
      ...DEFAULT_CAPTURE_OPTIONS,
      markBit: 2 ** options.markBit,
      routeTable: options.routeTable,
      rulePriority: options.rulePriority,
      keepPort: options.capturePorts.keep,
      masqueradePort: options.capturePorts.masquerade,
      localPort: options.capturePorts.local,
      families: capturedFamilies(),
    });
    this.#reconciler = new Reconciler({
      table: tableGateway(table),
      listeners: () => listenersOf(xds),
      capture: this.#capture,
    });
    this.#runner = new Runner({
      run: (full) => this.#sync(full),
      onError: (error, retryInMs) => this.#failed(error, retryInMs),
      clock: systemClock,
      coalesceMs: Math.min(5, options.minSyncPeriodMs),
      minIntervalMs: options.minSyncPeriodMs,
      fullIntervalMs: options.syncPeriodMs,
      retryMinMs: RETRY_MIN_MS,
      retryMaxMs: RETRY_MAX_MS,
    });
  }

  request(): void {
    this.#runner.request();
  }

  /** It may be another Envoy than before, with another table. */
  envoyConnected(): void {
    this.#reconciler.forgetTable();
    this.#runner.request();
  }

  /** For a plugin that does not know the present table: it is of another wire version. */
  async pushSnapshot(): Promise<void> {
    const records = [...this.#target.entries.values()].map(({ record }) => record);
    await this.#parts.table.pushSnapshot(records);
    this.envoyConnected();
  }

  async stop(): Promise<void> {
    await this.#runner.stop();
  }

  status(): Pick<ControllerStatus, "tableVersion" | "frontends" | "lastSync"> {
    return {
      tableVersion: this.#reconciler.tableVersion,
      frontends: this.#target.entries.size,
      lastSync: this.#last,
    };
  }

  async #sync(full: boolean): Promise<void> {
    if (!this.#parts.state.isSynced()) return;
    const start = performance.now();
    const capture = this.#follow();
    await this.#reconciler.reconcile({ table: this.#target.entries, capture }, full);
    this.#last = { at: new Date().toISOString(), durationMs: performance.now() - start, error: "" };
  }

  /** Brings the target up to date with the state. */
  #follow(): CaptureSet {
    const { upserted, removed, capture, problems } = this.#follower.update();
    this.#reconciler.markChanged(this.#target.apply(upserted, removed));
    this.#parts.problems.report("node view", problems);
    this.#parts.problems.report("table", this.#target.problems());
    this.#capture.setNodeIPs(this.#follower.nodeIPs);
    return this.#target.captureWithinLimits(capture);
  }

  #failed(error: unknown, retryInMs: number): void {
    const { log, xds } = this.#parts;
    const isWaiting = error instanceof TableError && xds.connections().length === 0;
    const message = isWaiting ? "waiting for Envoy" : String((error as Error).message ?? error);
    if (this.#last?.error !== message) {
      log[isWaiting ? "info" : "warn"]({ retryInMs, error: (error as Error).message }, message);
    }
    this.#last = { at: new Date().toISOString(), durationMs: 0, error: message };
  }
}
