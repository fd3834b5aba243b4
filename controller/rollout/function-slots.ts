// Which function is in which slot of the linked plugin. A slot belongs to one version of a function
// with one set of parameters: another version gets another slot, so that records and code, which
// reach Envoy at different times, never mean different things by one number.
//
// A slot that is no longer wanted keeps its function until no record names it; it is used again
// only after code without it is in service, and not before all others had their turn.

import { MAX_FUNCTIONS } from "../../plugin/wire/layout.ts";
import { sameData } from "../model/same-data.ts";
import type { FunctionChoice } from "../model/types.ts";

/** One version of a function with parameters. */
interface FunctionInSlot extends FunctionChoice {
  version: string;
}

interface Slot extends FunctionInSlot {
  /** How many syncs have ended since it was wanted last; undefined: it is wanted. */
  syncsSince: number | undefined;
}

/** What a file keeps of it, for the next controller. */
export interface StoredSlots {
  next: number;
  slots: (FunctionInSlot & { slot: number })[];
}

/** A sync may be under way while a slot goes, and end with a table that still names it. */
const SYNCS_TO_FORGET = 2;

export class FunctionSlots {
  readonly #slots: (Slot | undefined)[] = [];
  #next = 0;

  /** Starts with those of an earlier controller. */
  constructor(stored: StoredSlots = { next: 0, slots: [] }) {
    this.#next = stored.next;
    for (const { slot, ...of } of stored.slots)
      this.#slots[slot] = { ...of, syncsSince: undefined };
  }

  /** By slot; undefined where none is. */
  get functions(): readonly (FunctionInSlot | undefined)[] {
    return Array.from(this.#slots);
  }

  get stored(): StoredSlots {
    const slots = this.#slots.flatMap((of, slot) => {
      if (!of) return [];
      const { name, version, parameters } = of;
      return [{ slot, name, version, parameters }];
    });
    return { next: this.#next, slots };
  }

  /** Returns the slot of exactly this; undefined when it has none. */
  slotOf(wanted: FunctionInSlot): number | undefined {
    const { name, version, parameters } = wanted;
    const slot = this.#slots.findIndex(
      (of) => of?.name === name && of.version === version && sameData(of.parameters, parameters),
    );
    return slot < 0 ? undefined : slot;
  }

  /**
   * Gives each of these a slot, and lets go of the others and of those that no record names any
   * more. Returns those for which there is none: all are in use.
   */
  want(wanted: readonly FunctionInSlot[]): FunctionInSlot[] {
    const kept = new Set<number>();
    for (const each of wanted) {
      const slot = this.slotOf(each);
      if (slot !== undefined) kept.add(slot);
    }
    this.#slots.forEach((of, slot) => {
      if (!of) return;
      if (kept.has(slot)) of.syncsSince = undefined;
      else if (of.syncsSince === undefined) of.syncsSince = 0;
      else if (of.syncsSince >= SYNCS_TO_FORGET) this.#slots[slot] = undefined;
    });
    return wanted.filter((each) => this.slotOf(each) === undefined && !this.#take(each));
  }

  /** A sync has succeeded: what was not wanted before it began is in no record now. */
  synced(): void {
    for (const of of this.#slots) if (of?.syncsSince !== undefined) of.syncsSince += 1;
  }

  #take({ name, version, parameters }: FunctionInSlot): boolean {
    for (let i = 0; i < MAX_FUNCTIONS; i++) {
      const slot = (this.#next + i) % MAX_FUNCTIONS;
      if (this.#slots[slot]) continue;
      this.#slots[slot] = { name, version, parameters, syncsSince: undefined };
      this.#next = (slot + 1) % MAX_FUNCTIONS;
      return true;
    }
    return false;
  }
}
