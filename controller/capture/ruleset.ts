// Capture set → text for `nft -f`: the whole table. Pure; does not run anything (apply.ts) and
// knows no routes (routes.ts). The chains are constant (chains.ts), the sets' elements change
// (elements.ts).

import type { CaptureSet } from "../node/types.ts";
import { chains } from "./chains.ts";
import { declarations, TABLE } from "./elements.ts";
import { familiesOf } from "./families.ts";
import type { CaptureOptions } from "./options.ts";

/**
 * The script that puts the whole table in the place of whatever is there under its name. One
 * transaction: every packet meets the old table or the new one. Connections live through it, since
 * what they are recognised by is outside the table: Envoy's sockets, and connection marks.
 */
export function rulesetFrom(set: CaptureSet, options: CaptureOptions): string {
  return [
    `table ${TABLE}`,
    `delete table ${TABLE}`,
    `table ${TABLE} {`,
    ...declarations(set, familiesOf(options.families)),
    ...chains(options),
    "}",
    "",
  ].join("\n");
}
