// What others change in the kernel (kernel-watch) → full syncs that repair it, and reports in the
// log, the metrics and /readyz. It does not decide what belongs in the kernel.
//
// A full sync compares chains, sets, rules and routes with what was written, and repairs what
// differs. Of elements it knows only what it wrote, so after a change by others in Portico's table,
// or when it may have missed one, the next sync writes the whole table. A change during the first
// sync may come after its write, so another one follows.

import type { KernelLook, KernelPart } from "../capture/apply.ts";
import { IN_LINK, OUT_LINK } from "../capture/policy-link.ts";
import { policyTable } from "../capture/routes.ts";
import type { KernelWatch, Missed } from "../kernel-watch/kernel-watch.ts";
import type { NftChange } from "../kernel-watch/nft-lines.ts";
import type { Log } from "../observe/log.ts";
import type { Clock } from "../system/clock.ts";
import { spaced } from "../system/spaced.ts";

/** Least time between two syncs because of events; limits the cost of constant changes. */
const REPAIR_INTERVAL_MS = 1_000;
/** The links of policy-link.ts in `ip monitor`: "7: portico1@portico0: <…>", "7: portico1 …". */
const LINKS = new RegExp(`^\\d+: (${OUT_LINK}|${IN_LINK})[@: ]`);
/** How many changes one log entry names. */
const MAX_NAMED = 5;

interface KernelRepairsParts {
  watch: Pick<KernelWatch, "listen" | "isWatching">;
  clock: Clock;
  log: Log;
  /** Portico's routing table. */
  routeTable: number;
  /** Whether the kernel has rules of Portico that should stay: not before the first sync. */
  isProgrammed: () => boolean;
  /** Requests a full sync. */
  requestFull: () => void;
  /** Makes the next sync write everything that belongs in the kernel, whatever it has. */
  rewriteKernel: () => void;
  /** Called when a part that others had changed is repaired. */
  repaired: (part: KernelPart) => void;
}

export class KernelRepairs {
  readonly #parts: KernelRepairsParts;
  readonly #requestFull: () => void;
  /** What waits for a full sync to start. */
  #noticed = new Notices();
  /** What the sync under way repairs, or the last one that failed. */
  #underRepair = new Notices();
  #isUnderWay = false;
  /** Something may have changed during the first sync. */
  #isFirstInDoubt = false;

  constructor(parts: KernelRepairsParts) {
    this.#parts = parts;
    const { watch, clock, routeTable, requestFull } = parts;
    this.#requestFull = spaced(clock, REPAIR_INTERVAL_MS, requestFull);
    const isOurs = new RegExp(
      `\\b(lookup|table) (${routeTable}|${policyTable({ routeTable })})\\b`,
    );
    for (const kind of ["rule", "route"] as const) {
      watch.listen(kind, ({ text, isRemoval }) => {
        if (isRemoval && isOurs.test(text)) this.#routingRemoved(`${kind} removed: ${text}`);
      });
    }
    watch.listen("link", ({ text, isRemoval }) => {
      // A link that is being made has no queue yet.
      const isDown = isRemoval || /\bqdisc (?!noop\b).* state DOWN\b/.test(text);
      if (isDown && LINKS.test(text)) this.#routingRemoved(`link gone or down: ${text}`);
    });
    watch.listen("address", ({ text, isRemoval }) => {
      if (isRemoval && LINKS.test(text)) this.#routingRemoved(`address removed: ${text}`);
    });
    watch.listen("nftables", (change) => this.#tableChanged(change));
    watch.listen("missed", (missed) => this.#missed(missed));
  }

  /** Returns in words what others changed and no sync has repaired yet. */
  waiting(): string[] {
    return [...this.#underRepair.texts, ...this.#noticed.texts];
  }

  /** A sync starts. */
  began(full: boolean): void {
    this.#isUnderWay = true;
    if (!full) return;
    this.#underRepair.add(this.#noticed);
    this.#noticed = new Notices();
    const { watch, isProgrammed, rewriteKernel } = this.#parts;
    if (isProgrammed() && !watch.isWatching("nftables")) rewriteKernel();
  }

  /** The sync under way found that the kernel differs from what was written. */
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

  /** Before that there is nothing to repair; what the first sync has written may need repair. */
  #isProgrammed(): boolean {
    const isProgrammed = this.#parts.isProgrammed();
    if (!isProgrammed && this.#isUnderWay) this.#isFirstInDoubt = true;
    return isProgrammed;
  }

  /** Perhaps Portico removed it, and perhaps it is there again: the sync checks. */
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
    log.info({ why }, `checking: changes by other processes in ${of} may have been missed`);
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

/** What others did, in words, and the parts of the kernel that certainly changed. */
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
