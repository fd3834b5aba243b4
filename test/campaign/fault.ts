// What a fault is: its kind, how it is done to the stand and undone, and what clients may lose.

import type { Stand } from "./stand.ts";

/** What clients may see of a fault. All absent: nothing, not even a connection that ends. */
export interface Allowance {
  /** Connections that are open may end. */
  open?: boolean;
  /**
   * New connections may fail that begin before the fault is over, or within so many milliseconds
   * after that. Absent: none may.
   */
  newMs?: number;
  /** Session affinity may be forgotten. */
  affinity?: boolean;
}

/** Undoes a fault; resolves when the node is as it was but for what Portico has to mend. */
export type Heal = () => Promise<void>;

export interface FaultKind {
  name: string;
  /** One of them is drawn. */
  variants: readonly string[];
  /** How many times it is drawn as often as a kind of weight 1; 1 by default. */
  weight?: number;
  allows: Allowance;
  inject(stand: Stand, variant: string): Promise<Heal>;
}

export const nothingToHeal: Heal = async () => {};
