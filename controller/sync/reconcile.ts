// What to program, in which order, and why. One sync brings the data plane (the service table in
// Envoy, Envoy's listeners, the kernel's capture set) to the target; nothing here decides what the
// target is, or when to sync.
//
// The order of one sync:
//   1. the table gets what is new or changed, and acknowledges it;
//   2. Envoy gets its listeners, and what is new or changed of those and the clusters for UDP, and
//      acknowledges them;
//   3. the kernel hands over, refuses and releases;
//   4. Envoy gives up listeners and clusters that the kernel released;
//   5. the table forgets what the kernel released a while ago, maybe in a later sync: connections
//      that were handed over before may still wait for Envoy to look them up.
// So a connection that is handed over always finds its frontend: if a step fails, the later ones
// do not happen, and the next sync starts from what was reached. Where the kernel may hand over
// what we do not know of, it is told before step 2 as well, of what is there already: it may hand
// over frontends that are to go. That is so when an Envoy does not listen yet (it restarted;
// nothing listens until then, so connections wait in their retries), and when it listens for an
// earlier controller.

import { sameData } from "../model/same-data.ts";
import type { CaptureSet, FrontendKey } from "../node/types.ts";
import type { UdpListener, UdpTarget } from "../xds/udp-target.ts";
import { planPushes, type Table, type TableEntry } from "./plan.ts";
import { captureWithout } from "./target-udp.ts";

export interface Programmed {
  version: number;
  entries: Map<FrontendKey, TableEntry>;
}

/** The service table inside Envoy. A version is 0 while Envoy holds no whole table. */
export interface TableGateway {
  version(): Promise<{ version: number }>;
  read(): Promise<Programmed>;
  /** Replaces the whole table; resolves with its version once it is applied. */
  pushSnapshot(entries: readonly TableEntry[]): Promise<number>;
  /** Rejects, and changes nothing, when the table is not of version `base`. */
  pushDelta(
    base: number,
    upserts: readonly TableEntry[],
    removals: readonly TableEntry[],
  ): Promise<number>;
}

export interface CaptureGateway {
  /** Replaces everything of Portico's in the kernel. */
  full(set: CaptureSet): Promise<void>;
  /** Changes the elements in which the two differ. */
  update(previous: CaptureSet, next: CaptureSet): Promise<void>;
  /** Whether the kernel still holds what was last put there; false also when nothing was. */
  verify(): Promise<boolean>;
  /** Whether the kernel holds rules of Portico's at all, of this process or an earlier one. */
  isPresent(): Promise<boolean>;
}

/** The Envoys that are connected at one moment, at least one, and their listeners and clusters. */
export interface Listeners {
  /** Whether all have some, from us or from an earlier controller. */
  active: boolean;
  /**
   * Names of the UDP listeners that they have from an earlier controller; undefined once they were
   * told what to have by this one.
   */
  inherited: ReadonlySet<string> | undefined;
  /**
   * Gives them what they lack; resolves once they acknowledged. Returns the UDP listeners that they
   * do not take, which is no failure.
   */
  add(udp: UdpTarget): Promise<readonly UdpListener[]>;
  /** Takes from them what is not in the target. */
  removeOthers(udp: UdpTarget): Promise<void>;
}

export interface Gateways {
  table: TableGateway;
  /**
   * Asked before the table is looked at: an Envoy that restarts later is not one of them. Throws
   * when none is connected, and nothing is programmed then.
   */
  listeners: () => Listeners;
  capture: CaptureGateway;
}

/** How long the table keeps a frontend that the kernel has released. */
export interface Lingering {
  ms: number;
  /** Milliseconds on any clock that does not go back. */
  now: () => number;
}

export interface Target {
  table: Table;
  capture: CaptureSet;
  udp: UdpTarget;
}

export class Reconciler {
  readonly #gateways: Gateways;
  readonly #lingering: Lingering;
  /** What Envoy holds as far as we know; undefined when that has to be asked. */
  #programmed: Programmed | undefined;
  #captured: CaptureSet | undefined;
  /** How often that was forgotten, also while a sync is under way. */
  #captureForgotten = 0;
  /** UDP listeners that Envoy did not take the last time. */
  #missing: readonly UdpListener[] = [];
  /** Frontends that may differ from the target; undefined: any may. */
  #dirty: Set<FrontendKey> | undefined;
  /** When the kernel released what the table is to forget. */
  #released = new Map<FrontendKey, number>();
  /** How often the table was forgotten: what a sync began to know before is not worth keeping. */
  #forgotten = 0;

  /** Without `lingering`, the table forgets at once. */
  constructor(gateways: Gateways, lingering: Lingering = { ms: 0, now: () => 0 }) {
    this.#gateways = gateways;
    this.#lingering = lingering;
  }

  /** Version of the table that Envoy acknowledged last; 0 for none. */
  get tableVersion(): number {
    return this.#programmed?.version ?? 0;
  }

  /** These frontends changed in the target. */
  markChanged(keys: Iterable<FrontendKey>): void {
    if (!this.#dirty) return;
    for (const key of keys) this.#dirty.add(key);
  }

  /** Envoy may have another table than we think: it restarted, or refused what we sent. */
  forgetTable(): void {
    this.#programmed = undefined;
    this.#dirty = undefined;
    this.#forgotten += 1;
  }

  /** The kernel may hold something else than it was told last: the next sync tells it all. */
  forgetCapture(): void {
    this.#captured = undefined;
    this.#captureForgotten += 1;
  }

  /**
   * `full` also looks for what others changed: a flushed rule set, a table pushed by somebody.
   * Resolves with the milliseconds until something is left to do; undefined when nothing is.
   */
  async reconcile(target: Target, full: boolean): Promise<number | undefined> {
    if (full) await this.#verify();
    const listeners = this.#gateways.listeners();
    const forgotten = this.#forgotten;
    try {
      const programmed = this.#programmed ?? (await this.#gateways.table.read());
      const last = await this.#pushFirst(target.table, programmed);
      await this.#open(listeners, target);
      await listeners.removeOthers(target.udp);
      await this.#pushLast(target.table, last, programmed);
      if (forgotten !== this.#forgotten) return undefined;
      this.#programmed = programmed;
      this.#dirty = new Set(this.#released.keys());
      return this.#untilNextDue();
    } catch (error) {
      this.forgetTable();
      throw error;
    }
  }

  async #verify(): Promise<void> {
    const { version } = await this.#gateways.table.version();
    if (version !== this.#programmed?.version) this.forgetTable();
    // What cannot be looked at is written, as the last step: the table is not to wait for it.
    const isKept = await this.#gateways.capture.verify().catch(() => false);
    if (!isKept) this.#captured = undefined;
  }

  /** Step 5, for those whose time has come. */
  async #pushLast(
    table: Table,
    last: readonly FrontendKey[],
    programmed: Programmed,
  ): Promise<void> {
    const { ms, now } = this.#lingering;
    const present = now();
    this.#released = new Map(last.map((key) => [key, this.#released.get(key) ?? present]));
    const due = [...this.#released].filter(([, at]) => present - at >= ms).map(([key]) => key);
    await this.#push(table, due, programmed);
    for (const key of due) this.#released.delete(key);
  }

  #untilNextDue(): number | undefined {
    const { ms, now } = this.#lingering;
    let first: number | undefined;
    for (const at of this.#released.values()) first = Math.min(at, first ?? at);
    return first === undefined ? undefined : Math.max(0, first + ms - now());
  }

  /** Step 1; returns the frontends that are left for step 5. */
  async #pushFirst(table: Table, programmed: Programmed): Promise<FrontendKey[]> {
    if (programmed.version === 0) {
      programmed.version = await this.#gateways.table.pushSnapshot([...table.values()]);
      programmed.entries = new Map(table);
      return [];
    }
    const keys = this.#dirty ?? new Set([...programmed.entries.keys(), ...table.keys()]);
    const plan = planPushes(programmed.entries, table, keys);
    await this.#push(table, plan.first, programmed);
    return plan.last;
  }

  /** Steps 2 and 3. */
  async #open(listeners: Listeners, { capture, udp }: Target): Promise<void> {
    const isUnknown = !listeners.active || listeners.inherited !== undefined;
    const captureFirst = isUnknown && (await this.#gateways.capture.isPresent());
    const absent = listeners.active ? absentFrom(listeners.inherited, udp) : this.#missing;
    if (captureFirst) await this.#programCapture(captureWithout(capture, absent));
    this.#missing = await listeners.add(udp);
    if (captureFirst && sameData(absent, this.#missing)) return;
    await this.#programCapture(captureWithout(capture, this.#missing));
  }

  async #push(table: Table, keys: readonly FrontendKey[], programmed: Programmed): Promise<void> {
    if (keys.length === 0) return;
    const upserts: TableEntry[] = [];
    const removals: TableEntry[] = [];
    for (const key of keys) {
      const wanted = table.get(key);
      const present = programmed.entries.get(key);
      if (wanted) upserts.push(wanted);
      else if (present) removals.push(present);
    }
    const { table: gateway } = this.#gateways;
    programmed.version = await gateway.pushDelta(programmed.version, upserts, removals);
    for (const key of keys) {
      const wanted = table.get(key);
      if (wanted) programmed.entries.set(key, wanted);
      else programmed.entries.delete(key);
    }
  }

  async #programCapture(next: CaptureSet): Promise<void> {
    const previous = this.#captured;
    const forgotten = this.#captureForgotten;
    this.#captured = undefined;
    if (previous) await this.#gateways.capture.update(previous, next);
    else await this.#gateways.capture.full(next);
    if (forgotten === this.#captureForgotten) this.#captured = next;
  }
}

function absentFrom(
  inherited: ReadonlySet<string> | undefined,
  { listeners }: UdpTarget,
): readonly UdpListener[] {
  return inherited ? [...listeners.values()].filter(({ name }) => !inherited.has(name)) : [];
}
