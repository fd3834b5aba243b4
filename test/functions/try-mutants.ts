// Mutated modules → the linker, and what it takes → V8, in the strict host. Nothing else ever gets
// them.

import { hostModule } from "../../controller/functions/host-module.ts";
import { randomFrom } from "../../controller/functions/replay.ts";
import { link } from "../../controller/linker/link.ts";
import { WebAssembly } from "../wasm/webassembly.ts";
import { mutant } from "./mutants.ts";
import { StrictHost } from "./strict-host.ts";

const HOST = hostModule();
const PICKS = 2;

interface Tally {
  modules: number;
  refused: number;
  linked: number;
  /** Of the linked ones, those that failed in a pick, and said why. */
  failing: number;
  /** What must not be: number of the module and what it did. Empty if all is well. */
  harm: string[];
}

/** Tries so many modules from a seed. */
export async function tryMutants(
  seed: number,
  count: number,
  others: readonly Uint8Array[] = [],
): Promise<Tally> {
  const random = randomFrom(seed);
  const tally: Tally = { modules: 0, refused: 0, linked: 0, failing: 0, harm: [] };
  for (let index = 0; index < count; index++) {
    const wasm = mutant(random, others);
    tally.modules++;
    try {
      await tryOne(wasm, tally);
    } catch (error) {
      tally.harm.push(`module ${index} of seed ${seed}: ${(error as Error).message}`);
    }
  }
  return tally;
}

async function tryOne(wasm: Uint8Array, tally: Tally): Promise<void> {
  const linked = link(HOST, [{ name: "mutant", wasm }]);
  const slot = linked.slots[0];
  if (!slot || slot.refused) {
    tally.refused++;
    return;
  }
  tally.linked++;
  const host = await StrictHost.start(linked, await WebAssembly.compile(linked.wasm), {
    any: () => 7,
  });
  let failed = false;
  for (let pick = 0; pick < PICKS; pick++) {
    const { answer } = host.pick();
    failed ||= slot.failureText(answer) !== undefined;
    if (answer >= 10) throw new Error(`it answered ${answer}, and there are 10 backends`);
  }
  if (failed) tally.failing++;
}
