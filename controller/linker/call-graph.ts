// Which functions call which → proof that calls end: no recursion, not too deep, and not too much
// on the stack at a time.

import { MAX_CALL_DEPTH, MAX_FRAMES_VALUES } from "./limits.ts";
import { refuse } from "./refusal.ts";
import type { Survey } from "./survey.ts";

interface Extent {
  readonly depth: number;
  readonly values: number;
}

/** Throws RefusedError at a call that closes a circle, and for what is too deep. Linear time. */
export function checkCallGraph(surveys: readonly Survey[]): void {
  const extents: (Extent | "open" | undefined)[] = surveys.map(() => undefined);

  function extentOf(index: number): Extent {
    const survey = surveys[index];
    if (!survey) return { depth: 0, values: 0 };
    extents[index] = "open";
    let depth = 0;
    let values = 0;
    for (const { callee, place } of survey.calls) {
      const known = extents[callee];
      if (known === "open") refuse("a function calls itself: recursion is not available", place);
      const extent = known ?? extentOf(callee);
      depth = Math.max(depth, extent.depth);
      values = Math.max(values, extent.values);
      if (depth >= MAX_CALL_DEPTH) {
        refuse(`calls are nested more than ${MAX_CALL_DEPTH} deep`, place);
      }
      if (values + survey.frameValues > MAX_FRAMES_VALUES) {
        refuse("its calls hold too many variables at a time", place);
      }
    }
    const extent = { depth: depth + 1, values: values + survey.frameValues };
    extents[index] = extent;
    return extent;
  }

  surveys.forEach((_, index) => {
    if (extents[index] === undefined) extentOf(index);
  });
}
