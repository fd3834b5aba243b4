// An unknown name → those that may have been meant, in words.

import { nearest } from "../model/near-text.ts";

const MOST = 3;

/** Returns "", or " (did you mean a, b?)". */
export function didYouMean(name: string, names: Iterable<string>): string {
  const near = nearest(name, names).slice(0, MOST);
  return near.length === 0 ? "" : ` (did you mean ${near.join(", ")}?)`;
}
