// deploy/MIGRATION.md → its steps: what stands in the code blocks that follow a line such as
// <!-- step: start -->.

import { readFileSync } from "node:fs";
import { join } from "node:path";

const DOCUMENT = join(import.meta.dirname, "../../deploy/MIGRATION.md");
const STEP = /<!-- step: (?<name>\S+) -->\n```\w+\n(?<text>.*?)\n```\n/gs;

/** Names of steps → their text. */
export function documentedSteps(): ReadonlyMap<string, string> {
  const found = readFileSync(DOCUMENT, "utf8").matchAll(STEP);
  return new Map([...found].map(({ groups }) => [groups?.name ?? "", groups?.text ?? ""]));
}
