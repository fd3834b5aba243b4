// What others change in the kernel (kernel-watch) → full syncs that repair it, and what the log,
// the metrics and /readyz say of it. It decides nothing about what belongs in the kernel.
//
// A full sync compares chains, sets, rules and routes with what was written, and repairs what
// differs. Of elements it knows only what it wrote, so after a change by others in Portico's table,
// or when such a change may have been missed, the next sync writes the whole table. What changes
// while the first sync is under way may come after its write, so another one follows.

import type { KernelLook, KernelPart } from "../capture/apply.ts";
import type { Clock } from "../clock.ts";
import type { KernelWatch, Missed } from "../kernel-watch/kernel-watch.ts";
import type { NftChange } from "../kernel-watch/nft-lines.ts";
import type { Log } from "../observe/log.ts";
import { spaced } from "./spaced.ts";

/** Between two syncs because of events: others who do not stop cost no more than this. */
const REPAIR_INTERVAL_MS = 1_000;
/** So many changes are named in one entry of the log. */
const MAX_NAMED = 5;

export interface KernelRepairsParts {
  watch: Pick<KernelWatch, "listen" | "isWatching">;
  clock: Clock;
  log: Log;
  /** Portico's routing table. */
  routeTable: number;
  /** Whether the kernel has rules of ours that are to stay: not before the first sync. */
  isProgrammed: () => boolean;
  /** Asks for a full sync. */
  requestFull: () => void;
  /** The next sync is to write all that belongs in the kernel, whatever it has. */
  rewriteKernel: () => void;
  /** Others had changed this, and it is again as it should be. */
  repaired: (part: KernelPart) => void;
}

export class KernelRepairs {
  readonly #parts: KernelRepairsParts;
  readonly #requestFull: () => void;
  /** What waits for a full sync to begin. */
  #noticed = new Notices();
  /** What the one under way repairs, or the last that failed. */
  #underRepair = new Notices();
  #isUnderWay = false;
  /** Something may have changed during the first sync. */
  #isFirstInDoubt = false;

  constructor(parts: KernelRepairsParts) {
    this.#parts = parts;
    const { watch, clock, routeTable, requestFull } = parts;
    this.#requestFull = spaced(clock, REPAIR_INTERVAL_MS, requestFull);
    const isOurs = new RegExp(`\\b(lookup|table) ${routeTable}\\b`);
    for (const kind of ["rule", "route"] as const) {
      watch.listen(kind, ({ text, isRemoval }) => {
        if (isRemoval && isOurs.test(text)) this.#routingRemoved(`${kind} removed: ${text}`);
      });
    }
    watch.listen("nftables", (change) => this.#tableChanged(change));
    watch.listen("missed", (missed) => this.#missed(missed));
  }

  /** What others changed and no sync has repaired yet, in words. */
  waiting(): string[] {
    return [...this.#underRepair.texts, ...this.#noticed.texts];
  }

  /** A sync begins. */
  began(full: boolean): void {
    this.#isUnderWay = true;
    if (!full) return;
    this.#underRepair.add(this.#noticed);
    this.#noticed = new Notices();
    const { watch, isProgrammed, rewriteKernel } = this.#parts;
    if (isProgrammed() && !watch.isWatching("nftables")) rewriteKernel();
  }

  /** The sync under way sees that the kernel has something else than was put there. */
  found({ changes, changedParts }: KernelLook): void {
    for (const part of changedParts) this.#underRepair.parts.add(part);
    for (const text of changes) this.#underRepair.name(text);
  }

  /** A sync has succeeded. */
  succeeded(full: boolean): void {
    this.#isUnderWay = false;
    if (full) this.#tellOfRepairs();
    if (!this.#isFirstInDoubt) return;
    this.#isFirstInDoubt = false;
    if (!this.#parts.isProgrammed()) return;
    this.#parts.rewriteKernel();
    this.#requestFull();
  }

  #tellOfRepairs(): void {
    const { parts, texts } = this.#underRepair;
    this.#underRepair = new Notices();
    if (parts.size === 0) return;
    const { log, repaired } = this.#parts;
    const what = [...parts].sort().join(" and ");
    log.warn({ changes: [...texts] }, `repaired ${what}: another process had changed it`);
    for (const part of parts) repaired(part);
  }

  /** Before that, nothing is to be repaired; what the first sync has written may be. */
  #isProgrammed(): boolean {
    const isProgrammed = this.#parts.isProgrammed();
    if (!isProgrammed && this.#isUnderWay) this.#isFirstInDoubt = true;
    return isProgrammed;
  }

  /** Perhaps by ourselves, and perhaps it is there again: the sync looks. */
  #routingRemoved(text: string): void {
    if (!this.#isProgrammed()) return;
    this.#noticed.name(text);
    this.#requestFull();
  }

  #tableChanged(change: NftChange): void {
    if (!this.#isProgrammed()) return;
    if (change.isCertain) {
      this.#noticed.parts.add("nftables");
      this.#noticed.name(textOf(change));
      this.#parts.rewriteKernel();
    }
    this.#requestFull();
  }

  #missed({ of, why }: Missed): void {
    if (!this.#isProgrammed()) return;
    const { rewriteKernel, log } = this.#parts;
    log.info({ why }, `changes of others in ${of} may have been missed: looking`);
    if (of === "nftables") rewriteKernel();
    this.#requestFull();
  }
}

/** "nft (pid 4711): delete chain inet portico a, and 7 more removed" */
function textOf({ process, pid, removed, removedCount, addedCount }: NftChange): string {
  const more = removedCount - removed.length;
  const parts = [
    ...removed,
    ...(more > 0 ? [`${more} more removed`] : []),
    ...(addedCount > 0 ? [`${addedCount} added`] : []),
  ];
  return `${process} (pid ${pid}): ${parts.join(", ")}`;
}

/** What others did, in words, and which parts of the kernel that certainly changed. */
class Notices {
  readonly parts = new Set<KernelPart>();
  readonly texts = new Set<string>();

  name(text: string): void {
    if (this.texts.size < MAX_NAMED) this.texts.add(text);
  }

  add(other: Notices): void {
    for (const part of other.parts) this.parts.add(part);
    for (const text of other.texts) this.name(text);
  }
}
