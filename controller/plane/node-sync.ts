// Cluster state → data plane, for this node: follows the state, and reconciles when the runner
// calls. The pure steps are in node/ and sync/; this holds the state between them.

import { MAX_FRONTENDS } from "../../plugin/wire/layout.ts";
import type { LocalDetector } from "../capture/local-detector.ts";
import type { RunOptions } from "../config/run-options.ts";
import type { KnownCluster } from "../explain/known-cluster.ts";
import type { ClusterState } from "../model/cluster-state.ts";
import { sameData } from "../model/same-data.ts";
import { NodeFollower, type NodeOptions, type NodeUpdate } from "../node/follow-cluster.ts";
import type { NodeViewChange } from "../node/node-view.ts";
import type { Frontend } from "../node/types.ts";
import type { UdpBindings } from "../node/udp-binding.ts";
import type { Log } from "../observe/log.ts";
import type { Figures } from "../observe/present-metrics.ts";
import type { Problems } from "../observe/problems.ts";
import { Runner } from "../sync/runner.ts";
import { type SlotOf, TargetTable, type TargetTableChange } from "../sync/target-table.ts";
import { systemClock } from "../system/clock.ts";
import { TableError } from "../table/table-error.ts";
import type { EnvoyPlane, PlaneTarget } from "./envoy-plane.ts";
import { interfaceAddresses, presentAddresses } from "./interface-addresses.ts";
import { localDetectorFrom } from "./local-detector-from.ts";

/**
 * Between two syncs while changes keep coming, a second long or more: half of the CPU that 50
 * changes a second would take otherwise, and no change waits longer than this.
 */
const LASTING_INTERVAL_MS = 35;
const RETRY_MIN_MS = 50;
const RETRY_MAX_MS = 5_000;

/** Called for every sync; must not throw. */
export interface SyncObserver {
  /** A sync was requested. */
  queued(): void;
  /** `full` as below. */
  began(full: boolean): void;
  /** What changed is on its way to the data plane: time for what must not delay that. */
  underWay(): void;
  /** `full`: it also looked for what others changed. */
  succeeded(durationSeconds: number, full: boolean): void;
  failed(error: unknown): void;
}

/** The state of this node's syncs. */
export interface SyncStatus {
  /** Version of the service table that Envoy acknowledged last; 0 for none. */
  tableVersion: number;
  frontends: number;
  lastSync: { at: string; durationMs: number; error: string } | null;
}

/** The settings for a node's syncs. */
type NodeSyncOptions = NodeOptions &
  Pick<RunOptions, "detectLocal" | "minSyncPeriodMs" | "syncPeriodMs">;

interface NodeSyncParts {
  options: NodeSyncOptions;
  state: ClusterState;
  problems: Problems;
  log: Log;
  observer: SyncObserver;
  /** Called with what a sync is bringing to the data plane; must not throw. */
  viewChanged: (change: NodeViewChange) => void;
  /** Returns the slot of a function that is in service. */
  slotOf: SlotOf;
  /** The active Envoy, which gets new connections. */
  plane: EnvoyPlane;
}

/** A move to another Envoy, which becomes the active one. */
interface Move {
  plane: EnvoyPlane;
  record: () => Promise<void>;
  done: () => void;
  failed: (error: unknown) => void;
}

export class NodeSync {
  readonly #parts: NodeSyncParts;
  readonly #follower: NodeFollower;
  readonly #target: TargetTable;
  /** Whether records that choose functions are to be encoded again. */
  #functionsChanged = false;
  readonly #runner: Runner;
  #plane: EnvoyPlane;
  #move: Move | undefined;
  /** UDP listeners of an Envoy that gets nothing new any more. */
  #former: UdpBindings = new Map();
  #isDraining = false;
  #redirectsBridges = false;
  #last: SyncStatus["lastSync"] = null;
  #syncing: Promise<void> = Promise.resolve();
  /** Cancels the timer for the rest of the last sync. */
  #cancelRest = () => {};
  /** From the last look: reading them takes time in proportion to the number of Pods. */
  #interfaces: readonly string[] | undefined;

  constructor(parts: NodeSyncParts) {
    this.#parts = parts;
    const { options, state } = parts;
    this.#follower = new NodeFollower(state, options);
    this.#target = new TargetTable(MAX_FRONTENDS, parts.slotOf);
    this.#plane = parts.plane;
    this.#runner = new Runner({
      run: (full) => {
        this.#syncing = this.#sync(full);
        return this.#syncing;
      },
      onError: (error, retryInMs) => this.#failed(error, retryInMs),
      clock: systemClock,
      minIntervalMs: options.minSyncPeriodMs,
      lastingIntervalMs: LASTING_INTERVAL_MS,
      fullIntervalMs: options.syncPeriodMs,
      retryMinMs: RETRY_MIN_MS,
      retryMaxMs: RETRY_MAX_MS,
    });
  }

  request(): void {
    this.#parts.observer.queued();
    this.#runner.request();
  }

  /** Other functions are in service, or in other slots. */
  functionsChanged(): void {
    this.#functionsChanged = true;
    this.request();
  }

  /** Writes the kernel's rules again: the node has changed since they were made. */
  nodeChanged(): void {
    this.#plane.reconciler.forgetCapture();
    this.request();
  }

  /** Sets whether TCP connections of Pods on bridges come by NAT; false before the first call. */
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

  /** Makes the next sync write everything that belongs in the kernel, whatever is there. */
  rewriteKernel(): void {
    this.#plane.reconciler.forgetCapture();
  }

  /** Checks whether the node's addresses changed, and requests a sync if so. */
  addressesMayHaveChanged(): void {
    if (!this.#interfaces) return;
    const present = presentAddresses();
    if (!present) {
      // That sync looks too, and retries until it can.
      this.requestFull();
    } else if (!sameData(present, this.#interfaces)) {
      this.#interfaces = present;
      this.request();
    }
  }

  /** Whether this controller has written the kernel's rules, and they should stay. */
  get hasKernel(): boolean {
    return this.#last !== null && this.#plane.hasKernel;
  }

  /** As NodeFollower.nodePortAddresses. */
  get nodePortAddresses(): readonly string[] {
    return this.#follower.nodePortAddresses;
  }

  /** The active Envoy, which gets new connections. */
  get plane(): EnvoyPlane {
    return this.#plane;
  }

  /** Returns the records of the whole table, as it should be. */
  records(): Uint8Array[] {
    return [...this.#target.entries.values()].map(({ record }) => record);
  }

  /** The Envoy may be another than before, with another table. */
  envoyConnected(plane: EnvoyPlane): void {
    plane.reconciler.forgetTable();
    this.request();
  }

  /**
   * Gives another Envoy, which is connected, everything that the present one has, and then new
   * connections: `record` notes that for the next controller just before the kernel switches.
   * Rejects when that fails; the present one then stays active.
   */
  moveTo(plane: EnvoyPlane, record: () => Promise<void>): Promise<void> {
    if (this.#isDraining) return Promise.reject(new Error("this node is drained: portico drain"));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#move = { plane, record, done: resolve, failed: reject };
    this.request();
    return promise;
  }

  /**
   * Leaves new connections to another proxy, until the controller restarts. Envoy keeps its
   * connections, and still gets changes.
   */
  async drain(): Promise<void> {
    this.#isDraining = true;
    this.#parts.log.info("draining: another proxy gets new connections until the next start");
    await this.#plane.handBackKernel(() => this.settled());
  }

  /**
   * Sets the UDP listeners of an Envoy that still answers but gets nothing new; none at its end.
   */
  setFormer(bindings: UdpBindings): void {
    this.#former = bindings;
    this.request();
  }

  /** All frontends of the node view; undefined before the first sync, which computes it. */
  get frontends(): Iterable<Frontend> | undefined {
    return this.#interfaces && this.#follower.view.frontends.values();
  }

  /** What explanations start from. */
  known(): Pick<KnownCluster, "frontends" | "node" | "localDetector" | "lastSyncError"> {
    const { frontends } = this.#follower.view;
    const { node } = this.#follower;
    const lastSyncError = this.#last?.error ?? "there was no sync yet";
    return { frontends, node, localDetector: this.#localDetector(), lastSyncError };
  }

  /** Resolves when no sync is under way; status() says whether the last one succeeded. */
  async settled(): Promise<void> {
    await this.#syncing.catch(() => undefined);
  }

  async stop(): Promise<void> {
    await this.#runner.stop();
    this.#cancelRest();
    this.#move?.failed(new Error("the controller stops"));
  }

  figures(): Pick<Figures, "tableVersion" | "frontends" | "backends"> {
    const { tableVersion } = this.#plane.reconciler;
    const { entries, backends } = this.#target;
    return { tableVersion, frontends: entries.size, backends };
  }

  status(): SyncStatus {
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
    const { target, report } = this.#follow(this.#interfaces);
    const reported = afterPush(report);
    const settleMove = await this.#tryMove(target);
    try {
      this.#arrangeRest(await this.#plane.reconcile({ ...target, former: this.#former }, full));
    } finally {
      settleMove();
      await reported;
    }
    this.#parts.problems.report("UDP", this.#plane.listeners.problems());
    const durationMs = performance.now() - start;
    this.#last = { at: new Date().toISOString(), durationMs, error: "" };
    this.#parts.observer.succeeded(durationMs / 1_000, full);
  }

  /** Sets the timer for what a sync has left to do in `delayMs`, if anything. */
  #arrangeRest(delayMs: number | undefined): void {
    this.#cancelRest();
    if (delayMs === undefined) return;
    this.#cancelRest = systemClock.after(delayMs, () => this.#runner.request());
  }

  /** Brings the target up to date with the state. `report`: tells others what changed. */
  #follow(interfaces: readonly string[]) {
    const change = this.#follower.update(interfaces);
    const { upserted, removed, capture, captureChange } = change;
    const encoded = [...upserted, ...this.#toEncodeAgain()];
    const { records, leftOut, problems } = this.#target.apply(encoded, removed);
    const frontends = [...captureChange.frontends, ...leftOut];
    this.#plane.reconciler.markChanged(records, { ...captureChange, frontends });
    const target: Omit<PlaneTarget, "former"> = {
      table: this.#target.entries,
      captureSet: capture,
      leftOut: this.#target.leftOut,
      change: { upserted, removed },
      frontends: this.#follower.view.frontends,
      localDetector: this.#localDetector(),
      redirectsBridges: this.#redirectsBridges,
      functionFrontends: this.#target.functionFrontends,
    };
    return { target, report: () => this.#report(change, problems) };
  }

  #toEncodeAgain(): Frontend[] {
    if (!this.#functionsChanged) return [];
    this.#functionsChanged = false;
    const { frontends } = this.#follower.view;
    return [...frontends.values()].filter(({ settings }) => settings.pick !== undefined);
  }

  #report(change: NodeUpdate, ofTable: TargetTableChange["problems"]): void {
    const { problems, observer, viewChanged } = this.#parts;
    observer.underWay();
    viewChanged(change);
    for (const [service, found] of change.problems) {
      problems.reportAbout("node view", service, found);
    }
    for (const [frontend, found] of ofTable) {
      problems.reportAbout("table", frontend, found ? [found] : []);
    }
  }

  #refuseMove(): void {
    const error =
      "not all kinds of objects have been read yet: see the log of `portico run`, and try " +
      "again";
    this.#move?.failed(new Error(error));
    this.#move = undefined;
  }

  /**
   * Works in two passes, since the kernel must hand over only to an Envoy that has everything.
   * Returns a function that settles the request, to call once the kernel leads to the right Envoy
   * again.
   */
  async #tryMove(target: Omit<PlaneTarget, "former">): Promise<() => void> {
    const move = this.#move;
    if (!move) return () => {};
    this.#move = undefined;
    const present = this.#plane;
    const former = present.udpBindings;
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

/** Calls back once a push that starts now has left, while its answer is awaited. */
function afterPush(callback: () => void): Promise<void> {
  return new Promise((resolve) => {
    systemClock.after(0, () => {
      callback();
      resolve();
    });
  });
}
