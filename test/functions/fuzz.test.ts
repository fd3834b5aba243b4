// A sample; `npm run fuzz:functions` tries as many as are wanted.

import { expect, it } from "vitest";
import { tryMutants } from "./try-mutants.ts";

const SEED = 20_261_201;
const SAMPLE = 2_000;

it(`does no harm with ${SAMPLE} modules with random changes`, async () => {
  const tally = await tryMutants(SEED, SAMPLE);
  expect(tally.harm).toEqual([]);
  expect(tally.modules).toBe(SAMPLE);
  // Otherwise the sample is of one kind only.
  expect(tally.refused).toBeGreaterThan(SAMPLE / 10);
  expect(tally.linked).toBeGreaterThan(SAMPLE / 10);
  expect(tally.failing).toBeGreaterThan(SAMPLE / 100);
});
