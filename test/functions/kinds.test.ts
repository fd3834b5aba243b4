// Every kind of function that goes wrong, next to one that does not: it is refused with the reason,
// or fails with the reason, and its neighbour picks as before.

import { expect, it } from "vitest";
import { FAILING_KINDS } from "./failing-kinds.ts";
import type { Kind } from "./kind.ts";
import { REFUSED_KINDS } from "./refused-kinds.ts";
import { StrictHost } from "./strict-host.ts";
import { handWritten, i32 } from "./wat.ts";

const KINDS = [...REFUSED_KINDS, ...FAILING_KINDS];
const NEIGHBOUR = handWritten({ functions: [{ code: i32(4) }] });
const PICKS = 3;

it("knows at least 150 kinds, each by a name of its own", () => {
  expect(new Set(KINDS.map(({ what }) => what)).size).toBe(KINDS.length);
  expect(KINDS.length).toBeGreaterThanOrEqual(150);
});

it.each(KINDS)("$what", async ({ module, outcome }: Kind) => {
  const wasm = module instanceof Uint8Array ? module : handWritten(module);
  const host = await StrictHost.of([NEIGHBOUR, wasm, NEIGHBOUR], { any: () => 7 });
  for (let pick = 0; pick < PICKS; pick++) {
    const happens = happened(host, outcome);
    if (typeof outcome === "number") expect(happens).toBe(String(outcome));
    else expect(happens).toContain(outcome.replace(/^\w+: /, ""));
    expect([0, 2].map((slot) => host.pick({ slot }).answer)).toEqual([4, 4]);
    expect(host.state.every((byte) => byte === 0)).toBe(true);
  }
});

function happened(host: StrictHost, outcome: Kind["outcome"]): string {
  const slot = host.linked.slots[1];
  const expectsRefusal = String(outcome).startsWith("refused");
  if (slot?.refused)
    return expectsRefusal ? slot.refused.reason : `refused: ${slot.refused.reason}`;
  const { answer } = host.pick({ slot: 1 });
  if (expectsRefusal) return `linked, and answered ${answer}`;
  return slot?.failureText(answer) ?? String(answer);
}
