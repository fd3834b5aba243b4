// What the kernel has, and what may differ from that → what to change in it. So a change costs what
// changed: nothing else is looked at. Pure.

import type { KernelTarget } from "../capture/kernel-target.ts";
import { sameData } from "../model/same-data.ts";
import {
  KERNEL_PARTS,
  type KernelPart,
  OwnKernelTarget,
  type WantedInKernel,
} from "./target-kernel.ts";

/** Keys of entries that came, went or changed. More than these do no harm. */
export type KernelChange = Readonly<Partial<Record<KernelPart, Iterable<string>>>>;

/** Entries that differ in their value alone are in both. */
interface KernelDifference {
  before: KernelTarget;
  after: KernelTarget;
}

export class ProgrammedKernel {
  readonly #target: OwnKernelTarget;
  /** Where #target and this differ, an entry is dirty. */
  #wanted: WantedInKernel;
  readonly #dirty = new Map<KernelPart, Set<string>>(KERNEL_PARTS.map((part) => [part, new Set()]));

  /** The kernel has everything that is wanted. */
  constructor(wanted: WantedInKernel) {
    this.#wanted = wanted;
    this.#target = wanted.whole();
  }

  /** What the kernel has; not to be changed. */
  get target(): KernelTarget {
    return this.#target;
  }

  /** Notes that these entries changed in what is wanted. */
  markChanged(change: KernelChange): void {
    for (const [part, dirty] of this.#dirty) for (const key of change[part] ?? []) dirty.add(key);
  }

  /** Returns the difference to what is wanted now; from now on the kernel counts as having that. */
  takeDifference(wanted: WantedInKernel): KernelDifference {
    const before = new OwnKernelTarget();
    const after = new OwnKernelTarget();
    for (const [part, dirty] of this.#dirty) {
      for (const key of wanted.doubtfulSince(this.#wanted, part)) dirty.add(key);
      for (const key of dirty) {
        const [present, next] = [this.#target.get(part, key), wanted.get(part, key)];
        if (sameData(present, next)) continue;
        before.set(part, key, present);
        after.set(part, key, next);
        this.#target.set(part, key, next);
      }
      dirty.clear();
    }
    this.#wanted = wanted;
    return { before, after };
  }
}
