// Cluster state → data plane, for this node: follows the state, and reconciles when the runner says
// so. The pure steps are node's and sync's; this holds the state between them.

import { capturedFamilies } from "../capture/kernel-settings.ts";
import { detectedFamilies, type LocalDetector } from "../capture/local-detector.ts";
import { DEFAULT_CAPTURE_OPTIONS } from "../capture/options.ts";
import { systemClock } from "../clock.ts";
import { type RunOptions, runPaths } from "../config.ts";
import type { DetectLocal } from "../config-file.ts";
import type { ClusterState } from "../model/cluster-state.ts";
import { NodeFollower } from "../node/follow-cluster.ts";
import type { NodeViewChange } from "../node/node-view.ts";
import type { CaptureSet } from "../node/types.ts";
import type { EventMetrics } from "../observe/event-metrics.ts";
import type { Log } from "../observe/log.ts";
import { meteredTable } from "../observe/metered-table.ts";
import type { Figures } from "../observe/present-metrics.ts";
import type { Problems } from "../observe/problems.ts";
import { Reconciler } from "../sync/reconcile.ts";
import { Runner } from "../sync/runner.ts";
import { TargetTable } from "../sync/target-table.ts";
import { TargetUdp } from "../sync/target-udp.ts";
import type { TableClient } from "../table/client.ts";
import { TableError } from "../table/table-error.ts";
import type { XdsServer } from "../xds/server.ts";
import type { ControllerStatus } from "./control-api.ts";
import { CaptureOfNode, tableGateway } from "./data-plane.ts";
import { EnvoyListeners, udpListenersOf } from "./envoy-listeners.ts";
import { interfaceAddresses } from "./interface-addresses.ts";
import { localPorts } from "./udp-limits.ts";

const RETRY_MIN_MS = 50;
const RETRY_MAX_MS = 5_000;

/** A mode that knows no address of Pods detects none. */
function localDetectorFrom(mode: DetectLocal, podCIDRs: readonly string[]): LocalDetector {
  switch (mode.mode) {
    case "ClusterCIDR":
      return detectorOf(mode.cidrs);
    case "NodeCIDR":
      return detectorOf(podCIDRs);
    case "BridgeInterface":
      return { kind: "bridge", name: mode.interfaceName };
    case "InterfaceNamePrefix":
      return { kind: "prefix", prefix: mode.prefix };
  }
}

function detectorOf(cidrs: readonly string[]): LocalDetector {
  return cidrs.length === 0 ? { kind: "none" } : { kind: "cidrs", cidrs };
}

/** Told of every sync; must not throw. */
export interface SyncObserver {
  /** One was asked for. */
  queued(): void;
  began(): void;
  /** `full`: it also looked for what others changed. */
  succeeded(durationSeconds: number, full: boolean): void;
  failed(error: unknown): void;
}

interface NodeSyncParts {
  options: RunOptions;
  state: ClusterState;
  problems: Problems;
  log: Log;
  table: TableClient;
  xds: XdsServer;
  observer: SyncObserver;
  metrics: EventMetrics;
  /** Lets the plugin have connections; called once its table is there, and again and again. */
  serve: () => Promise<void>;
}

export class NodeSync {
  readonly #parts: NodeSyncParts;
  readonly #follower: NodeFollower;
  readonly #target = new TargetTable();
  readonly #listeners: EnvoyListeners;
  /** Undefined until it is known which listeners Envoy has from an earlier controller. */
  #udp: TargetUdp | undefined;
  readonly #capture: CaptureOfNode;
  readonly #reconciler: Reconciler;
  readonly #runner: Runner;
  #last: ControllerStatus["lastSync"] = null;
  /** As of the last full sync: asking takes as long as there are Pods. */
  #interfaces: readonly string[] | undefined;

  constructor(parts: NodeSyncParts) {
    this.#parts = parts;
    const { options, state, table, xds, metrics } = parts;
    this.#follower = new NodeFollower(state, options);
    this.#capture = new CaptureOfNode({
      ...DEFAULT_CAPTURE_OPTIONS,
      markBit: 2 ** options.markBit,
      routeTable: options.routeTable,
      rulePriority: options.rulePriority,
      keepPort: options.capturePorts.keep,
      masqueradePort: options.capturePorts.masquerade,
      localPort: options.capturePorts.local,
      localPorts: localPorts(),
      families: capturedFamilies(),
      masqueradeAll: options.masqueradeAll,
      localDetector: localDetectorFrom(options.detectLocal, []),
    });
    this.#listeners = new EnvoyListeners(xds, options.capturePorts, parts.serve);
    this.#reconciler = new Reconciler({
      table: meteredTable(tableGateway(table), metrics, () => performance.now()),
      listeners: () => this.#listeners.now(),
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
    this.#parts.observer.queued();
    this.#runner.request();
  }

  /** Where node ports answer; none while the Node object is unknown. */
  get nodePortAddresses(): readonly string[] {
    return this.#follower.nodePortAddresses;
  }

  /** It may be another Envoy than before, with another table. */
  envoyConnected(): void {
    this.#reconciler.forgetTable();
    this.request();
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

  figures(): Pick<Figures, "tableVersion" | "frontends" | "backends"> {
    let backends = 0;
    for (const { backendCount } of this.#target.entries.values()) backends += backendCount;
    const { tableVersion } = this.#reconciler;
    return { tableVersion, frontends: this.#target.entries.size, backends };
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
    this.#parts.observer.began();
    if (full || !this.#interfaces) this.#interfaces = interfaceAddresses();
    const { change, capture } = this.#follow(this.#interfaces);
    const udp = await this.#followUdp(change);
    if (full) this.#listeners.forgetRefusals();
    const target = { table: this.#target.entries, capture: udp.captureWith(capture) };
    await this.#reconciler.reconcile({ ...target, udp: udp.target }, full);
    this.#parts.problems.report("UDP", this.#listeners.problems());
    const durationMs = performance.now() - start;
    this.#last = { at: new Date().toISOString(), durationMs, error: "" };
    this.#parts.observer.succeeded(durationMs / 1_000, full);
  }

  /** Brings the target up to date with the state. */
  #follow(interfaces: readonly string[]): { change: NodeViewChange; capture: CaptureSet } {
    const change = this.#follower.update(interfaces);
    const { upserted, removed, capture, problems } = change;
    this.#reconciler.markChanged(this.#target.apply(upserted, removed));
    this.#parts.problems.report("node view", problems);
    this.#parts.problems.report("table", this.#target.problems());
    this.#capture.setLocalDetector(this.#localDetector());
    return { change, capture: this.#target.captureWithinLimits(capture) };
  }

  async #followUdp({ upserted, removed }: NodeViewChange): Promise<TargetUdp> {
    const { runDir, masqueradeAll } = this.#parts.options;
    const podFamilies = detectedFamilies(this.#localDetector(), capturedFamilies());
    const options = { masqueradeAll, podFamilies };
    if (this.#udp) {
      this.#udp.apply(upserted, removed, options);
      return this.#udp;
    }
    const present = await udpListenersOf(runPaths(runDir).adminSocket);
    this.#listeners.inherit(new Set(present.map(({ name }) => name)));
    this.#udp = new TargetUdp(present);
    this.#udp.apply([...this.#follower.view.frontends.values()], [], options);
    return this.#udp;
  }

  #localDetector(): LocalDetector {
    const { state, options } = this.#parts;
    const { podCIDRs = [] } = state.nodes.get(options.nodeName) ?? {};
    return localDetectorFrom(options.detectLocal, podCIDRs);
  }

  #failed(error: unknown, retryInMs: number): void {
    const { log, xds, observer } = this.#parts;
    observer.failed(error);
    const isWaiting = error instanceof TableError && xds.connections().length === 0;
    const message = isWaiting ? "waiting for Envoy" : String((error as Error).message ?? error);
    if (this.#last?.error !== message) {
      log[isWaiting ? "info" : "warn"]({ retryInMs, error: (error as Error).message }, message);
    }
    this.#last = { at: new Date().toISOString(), durationMs: 0, error: message };
  }
}
