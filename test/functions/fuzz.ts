// npm run fuzz:functions -- [COUNT] [SEED]: modules with random changes, in the strict host.

import { shippedFunctions } from "../../controller/functions/library.ts";
import { compiled } from "./compiled.ts";
import { tryMutants } from "./try-mutants.ts";

const STEP = 10_000;
const [count = "100000", seed = "1"] = process.argv.slice(2);

const shipped: Uint8Array[] = [];
for (const [name, source] of Object.entries(shippedFunctions())) {
  shipped.push((await compiled(source, name)).wasm);
}
const sums = { modules: 0, refused: 0, linked: 0, failing: 0 };
const harm: string[] = [];
for (let first = 0; first < Number(count); first += STEP) {
  const tally = await tryMutants(
    Number(seed) + first,
    Math.min(STEP, Number(count) - first),
    shipped,
  );
  for (const key of Object.keys(sums) as (keyof typeof sums)[]) sums[key] += tally[key];
  harm.push(...tally.harm);
  process.stdout.write(
    `${sums.modules} modules: ${sums.refused} refused, ${sums.linked} linked, of which ` +
      `${sums.failing} failed with a reason; ${harm.length} did harm\n`,
  );
}
for (const each of harm) process.stdout.write(`${each}\n`);
process.exitCode = harm.length > 0 ? 1 : 0;
