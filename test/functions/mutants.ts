// Modules with random changes, from a seed: the same seed gives the same modules. Most change
// instructions, so that many are still valid; the others change any bytes.

import { FAILING_KINDS } from "./failing-kinds.ts";
import { mutateCode } from "./mutate-code.ts";
import { REFUSED_KINDS } from "./refused-kinds.ts";
import { type HandWritten, handWritten } from "./wat.ts";

const MAX_CHANGES = 4;
const MAX_INSTRUCTION_BYTES = 600;

const SMALL = [...FAILING_KINDS, ...REFUSED_KINDS]
  .map(({ module }) => module)
  .filter((module) => module instanceof Uint8Array || isSmall(module));
const VALID = FAILING_KINDS.map(({ module }) => module).filter(
  (module): module is HandWritten => !(module instanceof Uint8Array) && isSmall(module),
);

/** Large ones are about limits, and slow. */
function isSmall({ functions, globals = [], data = [] }: HandWritten): boolean {
  const bytes = functions.reduce((sum, { code }) => sum + code.length, 0);
  return (
    bytes < MAX_INSTRUCTION_BYTES && functions.length < 40 && globals.length + data.length < 40
  );
}

/** Returns one changed module; `others` are modules of asc to change too. */
export function mutant(
  random: (limit: number) => number,
  others: readonly Uint8Array[] = [],
): Uint8Array {
  if (random(4) > 0) return withChangedCode(random);
  const base = [...SMALL, ...others][random(SMALL.length + others.length)] ?? new Uint8Array();
  const bytes = base instanceof Uint8Array ? base : handWritten(base);
  return Uint8Array.from(changed(random, [...bytes]));
}

function withChangedCode(random: (limit: number) => number): Uint8Array {
  const base = VALID[random(VALID.length)];
  if (!base) throw new Error("no module to change");
  const at = random(base.functions.length);
  const functions = base.functions.map((each, index) =>
    index === at ? { ...each, code: mutateCode(random, each.code) } : each,
  );
  return handWritten({ ...base, functions });
}

function changed(random: (limit: number) => number, bytes: number[]): number[] {
  const changes = 1 + random(MAX_CHANGES);
  for (let change = 0; change < changes; change++) {
    const at = random(bytes.length + 1);
    const kind = random(5);
    if (kind === 0) bytes[at] = random(256);
    else if (kind === 1) bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
    else if (kind === 2) bytes[at] = bytes[random(bytes.length + 1)] ?? 0;
    else if (kind === 3) bytes.splice(at, 1 + random(3));
    else bytes.splice(at, 0, ...bytes.slice(random(bytes.length + 1)).slice(0, 1 + random(12)));
  }
  return bytes.map((byte) => byte & 0xff);
}
