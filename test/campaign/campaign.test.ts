// A short campaign for the gate: the same faults each time. `npm run campaign` draws others, and
// longer ones.

import { expect, it } from "vitest";
import { runCampaign } from "./campaign.ts";

const FAULTS = 30;

it("obeys its cluster after each fault, and no client loses more than it may", async () => {
  const { faults, failures, attempts } = await runCampaign({
    seed: 1,
    faults: FAULTS,
    longestMs: 2_000,
    kinds: [],
    tell: console.log,
  });
  expect(failures).toEqual([]);
  expect(faults).toBe(FAULTS);
  expect(attempts).toBeGreaterThan(FAULTS * 20);
});
