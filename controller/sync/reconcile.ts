// What to program, in which order, and why. One sync brings the data plane (the service table in
// Envoy, Envoy's listeners, the kernel's capture set) to the target; this file decides neither the
// target nor when to sync.
//
// The order of one sync:
//   1. the table gets what is new or changed, and acknowledges it;
//   2. Envoy gets its listeners, and what is new or changed of those and the clusters for UDP, and
//      acknowledges them;
//   3. the kernel hands over, refuses and releases;
//   4. Envoy removes listeners and clusters that the kernel released;
//   5. the table forgets what the kernel released a while ago, maybe in a later sync: connections
//      that were handed over before may still wait for Envoy to look them up.
// So a connection that is handed over always finds its frontend: if a step fails, the later ones do
// not happen, and the next sync starts from what was reached. Where the kernel may hand over
// unknown frontends, it is also updated before step 2, to what is there already: it may hand over
// frontends that must go. That is so when an Envoy does not listen yet (it restarted; until it
// listens, connections wait in their retries), and when it listens for an earlier controller.

import type { KernelTarget } from "../capture/kernel-target.ts";
import { sameData } from "../model/same-data.ts";
import type { RecordKey } from "../wire/key.ts";
import type { UdpListener, UdpTarget } from "../xds/udp-target.ts";
import { planPushes, type Table, type TableEntry } from "./plan.ts";
import { type KernelChange, ProgrammedKernel } from "./programmed-kernel.ts";
import { type KernelParts, WantedInKernel } from "./target-kernel.ts";

export interface Programmed {
  version: number;
  entries: Map<RecordKey, TableEntry>;
}

/** The service table inside Envoy. A version is 0 while Envoy has no complete table. */
export interface TableGateway {
  version(): Promise<{ version: number }>;
  read(): Promise<Programmed>;
  /** Replaces the whole table; resolves to its version once it is applied. */
  pushSnapshot(entries: readonly TableEntry[]): Promise<number>;
  /** Rejects, and changes nothing, when the table's version is not `base`. */
  pushDelta(
    base: number,
    upserts: readonly TableEntry[],
    removals: readonly TableEntry[],
  ): Promise<number>;
}

export interface CaptureGateway {
  /** Replaces everything of Portico's in the kernel. */
  full(target: KernelTarget): Promise<void>;
  /** Whether only full() will do, whatever was written before. */
  readonly needsFull: boolean;
  /** Changes the entries in which the two differ; what both have alike is in neither. */
  update(previous: KernelTarget, next: KernelTarget): Promise<void>;
  /** Reports whether the kernel still has what was last written; false also when nothing was. */
  verify(): Promise<boolean>;
  /** Reports whether the kernel has any rules of Portico, from this process or an earlier one. */
  isPresent(): Promise<boolean>;
}

/** The Envoys that are connected at one moment, at least one, and their listeners and clusters. */
export interface Listeners {
  /** Whether all have some, from this or an earlier controller. */
  active: boolean;
  /**
   * Names of the UDP listeners that they have from an earlier controller; undefined once this
   * controller has set them.
   */
  inherited: ReadonlySet<string> | undefined;
  /**
   * Gives them what they lack; resolves once they acknowledged. Returns the UDP listeners that they
   * refuse, which is not a failure.
   */
  add(udp: UdpTarget): Promise<readonly UdpListener[]>;
  /** Removes what is not in the target. */
  removeOthers(udp: UdpTarget): Promise<void>;
}

export interface Gateways {
  table: TableGateway;
  /**
   * Called before the table is read: an Envoy that restarts later is not one of them. Throws when
   * none is connected; then nothing is programmed.
   */
  listeners: () => Listeners;
  capture: CaptureGateway;
}

/** How long the table keeps a frontend that the kernel has released. */
export interface Lingering {
  ms: number;
  /** Milliseconds on any monotonic clock. */
  now: () => number;
}

export interface Target {
  table: Table;
  udp: UdpTarget;
  kernel: KernelParts;
}

export class Reconciler {
  readonly #gateways: Gateways;
  readonly #lingering: Lingering;
  /** What Envoy has, as far as known; undefined when it must be asked. */
  #programmed: Programmed | undefined;
  /** What the kernel has, as far as known, or is about to have. */
  #captured: ProgrammedKernel | undefined;
  /** UDP listeners that Envoy refused the last time. */
  #missing: readonly UdpListener[] = [];
  /** Records that may differ from the target; undefined: any may. */
  #dirty: Set<RecordKey> | undefined;
  /** When the kernel released what the table should forget. */
  #released = new Map<RecordKey, number>();
  /** How often the table was forgotten: what a sync learned before that is not kept. */
  #forgotten = 0;

  /** Without `lingering`, the table forgets immediately. */
  constructor(gateways: Gateways, lingering: Lingering = { ms: 0, now: () => 0 }) {
    this.#gateways = gateways;
    this.#lingering = lingering;
  }

  /** Version of the table that Envoy acknowledged last; 0 for none. */
  get tableVersion(): number {
    return this.#programmed?.version ?? 0;
  }

  /** Notes that these records changed in the target, and these entries for the kernel. */
  markChanged(keys: Iterable<RecordKey>, kernel: KernelChange = {}): void {
    this.#captured?.markChanged(kernel);
    if (!this.#dirty) return;
    for (const key of keys) this.#dirty.add(key);
  }

  /** Envoy may have another table than expected: it restarted, or refused a push. */
  forgetTable(): void {
    this.#programmed = undefined;
    this.#dirty = undefined;
    this.#forgotten += 1;
  }

  /** The kernel may have something other than last written: the next sync writes everything. */
  forgetCapture(): void {
    this.#captured = undefined;
  }

  /**
   * `full` also looks for what others changed: a flushed rule set, a table pushed by another
   * process. Resolves to the milliseconds until the rest is due; undefined when nothing is left to
   * do.
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
    // What cannot be read is written, as the last step: the table must not wait for it.
    const isKept = await this.#gateways.capture.verify().catch(() => false);
    if (!isKept) this.#captured = undefined;
  }

  /** Step 5, for those that are due. */
  async #pushLast(table: Table, last: readonly RecordKey[], programmed: Programmed): Promise<void> {
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

  /** Step 1; returns the records that are left for step 5. */
  async #pushFirst(table: Table, programmed: Programmed): Promise<RecordKey[]> {
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
  async #open(listeners: Listeners, { udp, kernel }: Target): Promise<void> {
    const isUnknown = !listeners.active || listeners.inherited !== undefined;
    const captureFirst = isUnknown && (await this.#gateways.capture.isPresent());
    const absent = listeners.active ? absentFrom(listeners.inherited, udp) : this.#missing;
    if (captureFirst) await this.#programCapture(new WantedInKernel(kernel, absent));
    this.#missing = await listeners.add(udp);
    if (captureFirst && sameData(absent, this.#missing)) return;
    await this.#programCapture(new WantedInKernel(kernel, this.#missing));
  }

  async #push(table: Table, keys: readonly RecordKey[], programmed: Programmed): Promise<void> {
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

  /** What fails, or is forgotten meanwhile, is written as a whole the next time. */
  async #programCapture(wanted: WantedInKernel): Promise<void> {
    const { capture } = this.#gateways;
    const captured = capture.needsFull ? undefined : this.#captured;
    try {
      if (captured) {
        const { before, after } = captured.takeDifference(wanted);
        await capture.update(before, after);
      } else {
        this.#captured = new ProgrammedKernel(wanted);
        await capture.full(this.#captured.target);
      }
    } catch (error) {
      this.#captured = undefined;
      throw error;
    }
  }
}

function absentFrom(
  inherited: ReadonlySet<string> | undefined,
  { listeners }: UdpTarget,
): readonly UdpListener[] {
  return inherited ? [...listeners.values()].filter(({ name }) => !inherited.has(name)) : [];
}
