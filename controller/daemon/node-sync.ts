// Cluster state → data plane, for this node: follows the state, and reconciles when the runner says
// so. The pure steps are node's and sync's; this holds the state between them.

import { join } from "node:path";
import { ADMIN_SOCKET } from "../../envoy/bootstrap.ts";
import type { LocalDetector } from "../capture/local-detector.ts";
import { systemClock } from "../clock.ts";
import type { RunOptions } from "../config.ts";
import type { DetectLocal } from "../config-file.ts";
import type { KnownCluster } from "../explain/known-cluster.ts";
import type { ClusterState } from "../model/cluster-state.ts";
import { sameData } from "../model/same-data.ts";
import { NodeFollower } from "../node/follow-cluster.ts";
import type { NodeViewChange } from "../node/node-view.ts";
import type { CaptureSet } from "../node/types.ts";
import type { Log } from "../observe/log.ts";
import type { Figures } from "../observe/present-metrics.ts";
import type { Problems } from "../observe/problems.ts";
import { ServiceCountersReader } from "../observe/service-counters.ts";
import { StatsOfEnvoys } from "../observe/stats-of-envoys.ts";
import { udpTotals } from "../observe/udp-counters.ts";
import { Runner } from "../sync/runner.ts";
import { TargetTable } from "../sync/target-table.ts";
import type { TableClient } from "../table/client.ts";
import { TableError } from "../table/table-error.ts";
import type { ControllerStatus } from "./control-api.ts";
import type { EnvoyPlane, PlaneTarget } from "./envoy-plane.ts";
import { interfaceAddresses, presentAddresses } from "./interface-addresses.ts";

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
  /** `full` as below. */
  began(full: boolean): void;
  /** `full`: it also looked for what others changed. */
  succeeded(durationSeconds: number, full: boolean): void;
  failed(error: unknown): void;
}

interface NodeSyncParts {
  options: RunOptions;
  state: ClusterState;
  problems: Problems;
  log: Log;
  observer: SyncObserver;
  /** Told what a sync is about to bring to the data plane; must not throw. */
  viewChanged: (change: NodeViewChange) => void;
  /** The Envoy that gets what is new. */
  plane: EnvoyPlane;
}

/** Another Envoy is to get what is new. */
interface Move {
  plane: EnvoyPlane;
  record: () => Promise<void>;
  done: () => void;
  failed: (error: unknown) => void;
}

export class NodeSync {
  /** What happened to the Services that this node serves. */
  readonly serviceCounters = new ServiceCountersReader({
    table: new StatsOfEnvoys({
      present: () => this.#plane.table,
      draining: () => this.#drainingTable,
    }),
    udp: () => udpTotals(join(this.#plane.place.directory, ADMIN_SOCKET)),
    // Before the first sync it is not known what there is.
    frontends: () => this.#interfaces && this.#follower.view.frontends.values(),
    now: Date.now,
  });
  #drainingTable: TableClient | undefined;
  readonly #parts: NodeSyncParts;
  readonly #follower: NodeFollower;
  readonly #target = new TargetTable();
  readonly #runner: Runner;
  #plane: EnvoyPlane;
  #move: Move | undefined;
  /** UDP addresses of an Envoy that gets nothing new any more. */
  #former: CaptureSet["formerUdpAddresses"] = new Map();
  #isDraining = false;
  #redirectsBridges = false;
  #last: ControllerStatus["lastSync"] = null;
  #syncing: Promise<void> = Promise.resolve();
  /** Takes back that the rest of the last sync is done later. */
  #cancelRest = () => {};
  /** As of the last look: asking takes as long as there are Pods. */
  #interfaces: readonly string[] | undefined;

  constructor(parts: NodeSyncParts) {
    this.#parts = parts;
    const { options, state } = parts;
    this.#follower = new NodeFollower(state, options);
    this.#plane = parts.plane;
    this.#runner = new Runner({
      run: (full) => {
        this.#syncing = this.#sync(full);
        return this.#syncing;
      },
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

  /** The kernel's rules are written again: the node is no longer as they were made for. */
  nodeChanged(): void {
    this.#plane.reconciler.forgetCapture();
    this.request();
  }

  /** Whether TCP connections of Pods on bridges come by NAT; not so before it was called. */
  setRedirectsBridges(redirects: boolean): void {
    if (redirects === this.#redirectsBridges) return;
    this.#redirectsBridges = redirects;
    this.request();
  }

  /** Asks for a sync that also looks for what others changed. */
  requestFull(): void {
    this.#parts.observer.queued();
    this.#runner.requestFull();
  }

  /** The next sync writes all that belongs in the kernel, whatever is there. */
  rewriteKernel(): void {
    this.#plane.reconciler.forgetCapture();
  }

  /** Looks whether the node has other addresses, and asks for a sync if so. */
  addressesMayHaveChanged(): void {
    if (!this.#interfaces) return;
    const present = presentAddresses();
    if (!present) {
      // It looks, too, again and again until it can.
      this.requestFull();
    } else if (!sameData(present, this.#interfaces)) {
      this.#interfaces = present;
      this.request();
    }
  }

  /** Whether this controller has written the kernel's rules, and they are to stay. */
  get hasKernel(): boolean {
    return this.#last !== null && this.#plane.hasKernel;
  }

  /** Where node ports answer; none while the Node object is unknown. */
  get nodePortAddresses(): readonly string[] {
    return this.#follower.nodePortAddresses;
  }

  /** The Envoy that gets what is new. */
  get plane(): EnvoyPlane {
    return this.#plane;
  }

  /** The records of the whole table, as it should be. */
  records(): Uint8Array[] {
    return [...this.#target.entries.values()].map(({ record }) => record);
  }

  /** This one may be another Envoy than before, with another table. */
  envoyConnected(plane: EnvoyPlane): void {
    plane.reconciler.forgetTable();
    this.request();
  }

  /**
   * Gives another Envoy, which is connected, all that the present one has, and then what is new:
   * `record` notes that for the next controller just before the kernel is told. Rejects when that
   * fails; the present one goes on then.
   */
  moveTo(plane: EnvoyPlane, record: () => Promise<void>): Promise<void> {
    if (this.#isDraining) return Promise.reject(new Error("this node is drained: portico drain"));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#move = { plane, record, done: resolve, failed: reject };
    this.request();
    return promise;
  }

  /**
   * Leaves all that is new to another proxy, until the controller is started anew. What Envoy has
   * goes on, and it is still told what changes.
   */
  async drain(): Promise<void> {
    this.#isDraining = true;
    this.#parts.log.info(
      "draining: new connections are left to another proxy until the next start",
    );
    await this.#plane.handBackKernel(() => this.settled());
  }

  /** Of an Envoy that goes on with its connections; undefined once it is gone. */
  setDrainingTable(table: TableClient | undefined): void {
    this.#drainingTable = table;
    // While it has what it counted until now.
    this.serviceCounters.read().catch(() => {});
  }

  /** UDP addresses of an Envoy that still answers, and gets nothing new; none once it is gone. */
  setFormer(addresses: CaptureSet["formerUdpAddresses"]): void {
    this.#former = addresses;
    this.request();
  }

  /** What explanations start from. */
  known(): Pick<KnownCluster, "frontends" | "node" | "localDetector" | "lastSyncError"> {
    const { frontends } = this.#follower.view;
    const { node } = this.#follower;
    const lastSyncError = this.#last?.error ?? "there was none yet";
    return { frontends, node, localDetector: this.#localDetector(), lastSyncError };
  }

  /** Resolves when no sync is under way; whether the last went well, status() tells. */
  async settled(): Promise<void> {
    await this.#syncing.catch(() => undefined);
  }

  async stop(): Promise<void> {
    await this.#runner.stop();
    this.#cancelRest();
    this.#move?.failed(new Error("the controller stops"));
  }

  figures(): Pick<Figures, "tableVersion" | "frontends" | "backends"> {
    let backends = 0;
    for (const { backendCount } of this.#target.entries.values()) backends += backendCount;
    const { tableVersion } = this.#plane.reconciler;
    return { tableVersion, frontends: this.#target.entries.size, backends };
  }

  status(): Pick<ControllerStatus, "tableVersion" | "frontends" | "lastSync"> {
    return {
      tableVersion: this.#plane.reconciler.tableVersion,
      frontends: this.#target.entries.size,
      lastSync: this.#last,
    };
  }

  async #sync(full: boolean): Promise<void> {
    if (!this.#parts.state.isSynced()) return this.#refuseMove();
    const start = performance.now();
    this.#parts.observer.began(full);
    if (full || !this.#interfaces) this.#interfaces = interfaceAddresses();
    const target = this.#follow(this.#interfaces);
    const settleMove = await this.#tryMove(target);
    try {
      this.#arrangeRest(await this.#plane.reconcile({ ...target, former: this.#former }, full));
    } finally {
      settleMove();
    }
    this.#parts.problems.report("UDP", this.#plane.listeners.problems());
    const durationMs = performance.now() - start;
    this.#last = { at: new Date().toISOString(), durationMs, error: "" };
    this.#parts.observer.succeeded(durationMs / 1_000, full);
  }

  /** For what a sync has left to do in `delayMs`, if anything. */
  #arrangeRest(delayMs: number | undefined): void {
    this.#cancelRest();
    if (delayMs === undefined) return;
    this.#cancelRest = systemClock.after(delayMs, () => this.#runner.request());
  }

  /** Brings the target up to date with the state. */
  #follow(interfaces: readonly string[]): Omit<PlaneTarget, "former"> {
    const change = this.#follower.update(interfaces);
    const { upserted, removed, capture, problems } = change;
    this.#parts.viewChanged(change);
    this.#plane.reconciler.markChanged(this.#target.apply(upserted, removed));
    this.#parts.problems.report("node view", problems);
    this.#parts.problems.report("table", this.#target.problems());
    return {
      table: this.#target.entries,
      capture: this.#target.captureWithinLimits(capture),
      change: { upserted, removed },
      frontends: this.#follower.view.frontends,
      localDetector: this.#localDetector(),
      redirectsBridges: this.#redirectsBridges,
    };
  }

  #refuseMove(): void {
    const error = "not all kinds of objects are known yet: see `portico run`'s log, and try again";
    this.#move?.failed(new Error(error));
    this.#move = undefined;
  }

  /**
   * In two passes, since the kernel is to hand over only to an Envoy that has everything. Returns
   * what tells whoever asked, for when the kernel leads to where it should again.
   */
  async #tryMove(target: Omit<PlaneTarget, "former">): Promise<() => void> {
    const move = this.#move;
    if (!move) return () => {};
    this.#move = undefined;
    const present = this.#plane;
    const former = present.udpAddresses;
    try {
      await move.plane.reconcile({ ...target, former }, false);
      await move.record();
      move.plane.takeKernel();
      await move.plane.reconcile({ ...target, former }, false);
      this.#plane = move.plane;
      this.#former = former;
      return move.done;
    } catch (error) {
      present.reconciler.forgetCapture();
      return () => move.failed(error);
    }
  }

  #localDetector(): LocalDetector {
    const { state, options } = this.#parts;
    const { podCIDRs = [] } = state.nodes.get(options.nodeName) ?? {};
    return localDetectorFrom(options.detectLocal, podCIDRs);
  }

  #failed(error: unknown, retryInMs: number): void {
    const { log, observer } = this.#parts;
    observer.failed(error);
    const isWaiting = error instanceof TableError && !this.#plane.isConnected;
    const message = isWaiting ? "waiting for Envoy" : String((error as Error).message ?? error);
    if (this.#last?.error !== message) {
      log[isWaiting ? "info" : "warn"]({ retryInMs, error: (error as Error).message }, message);
    }
    this.#last = { at: new Date().toISOString(), durationMs: 0, error: message };
  }
}
