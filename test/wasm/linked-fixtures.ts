// The plugin that takes functions, with functions linked into it, and tables whose records name
// them. Functions are written by hand (test/functions/wat.ts): what they call, and nothing else.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Linked, link } from "../../controller/linker/link.ts";
import type { Frontend } from "../../controller/node/types.ts";
import { recordFromFrontend } from "../../controller/wire/encode.ts";
import { snapshotFrames } from "../../controller/wire/frames.ts";
import { type HandWritten, handWritten } from "../functions/wat.ts";
import { FRAME_BYTES } from "./table-fixtures.ts";

export const PLUGIN_WITH_FUNCTIONS = join(
  import.meta.dirname,
  "../../build/portico-functions.wasm",
);

/** Links functions into slots 0, 1, …; throws when one is refused. */
export function linked(...functions: HandWritten[]): Linked {
  const modules = functions.map((each, slot) => ({ name: `f${slot}`, wasm: handWritten(each) }));
  const made = link(readFileSync(PLUGIN_WITH_FUNCTIONS), modules);
  const refusal = made.slots.find((slot) => slot?.refused)?.refused;
  if (refusal) throw new Error(refusal.reason);
  return made;
}

/** A frontend's record that names a slot; undefined: none. */
export function recordWith(of: Frontend, slot: number | undefined): Uint8Array {
  const { record, problem } = recordFromFrontend(of, "cluster", new Map(), slot);
  if (!record) throw new Error(problem.message);
  return record;
}

/** Frames of a table; `slots`: by index of the frontend, the slot that its record names. */
export function snapshotWith(
  frontends: readonly Frontend[],
  slots: readonly (number | undefined)[],
  version = 1,
): Uint8Array[] {
  const records = frontends.map((of, index) => recordWith(of, slots[index]));
  return [...snapshotFrames(records, version, FRAME_BYTES)];
}
