// All rules of the plugin test, in the order of a plugin's life.
//
// To add one: a Rule in the file of its chapter, and a mutant (mutants.ts) that it finds.

import { CONNECTION_RULES } from "./connection-rules.ts";
import { COUNT_RULES } from "./count-rules.ts";
import { FAULT_RULES } from "./fault-rules.ts";
import { MODULE_RULES } from "./module-rules.ts";
import { RELOAD_RULES } from "./reload-rules.ts";
import type { Rule } from "./rule.ts";
import { START_RULES } from "./start-rules.ts";
import { TABLE_RULES } from "./table-rules.ts";

interface Chapter {
  title: string;
  rules: readonly Rule[];
}

export const CHAPTERS: readonly Chapter[] = [
  { title: "The module", rules: MODULE_RULES },
  { title: "Start and end", rules: START_RULES },
  { title: "The table", rules: TABLE_RULES },
  { title: "Connections", rules: CONNECTION_RULES },
  { title: "Failures", rules: FAULT_RULES },
  { title: "What is counted", rules: COUNT_RULES },
  { title: "Reload", rules: RELOAD_RULES },
];

export const RULES: readonly Rule[] = CHAPTERS.flatMap(({ rules }) => rules);
