// One kind of function that goes wrong, and what has to come of it.

import type { HandWritten } from "./wat.ts";

/** "refused: …", "fails: …" with a part of the text, or the index that it answers (-1: any). */
export type Outcome = `refused: ${string}` | `fails: ${string}` | number;

export interface Kind {
  readonly what: string;
  readonly module: HandWritten | Uint8Array;
  readonly outcome: Outcome;
}
