// What checkNode finds on a sound node (sound-node.ts) with these changes, as texts.

import { checkNode } from "../../controller/check/check-node.ts";
import type { CheckSettings, NodeFacts } from "../../controller/check/facts.ts";
import { FACTS, SETTINGS } from "./sound-node.ts";

/** "level what: seen" of all that is not ok. */
export function found(facts: Partial<NodeFacts>, settings: Partial<CheckSettings> = {}): string[] {
  const findings = checkNode({ ...FACTS, ...facts }, { ...SETTINGS, ...settings });
  return findings
    .filter(({ level }) => level !== "ok")
    .map(({ level, what, seen }) => `${level} ${what}: ${seen}`);
}

/** The only one; throws when there are others, or none. */
export function only(facts: Partial<NodeFacts>, settings: Partial<CheckSettings> = {}): string {
  const [one, ...others] = found(facts, settings);
  if (one !== undefined && others.length === 0) return one;
  throw new Error(`one finding is wanted, not ${JSON.stringify(found(facts, settings))}`);
}
