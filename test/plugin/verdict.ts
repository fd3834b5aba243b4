// One rule and a plugin's bytes → what became of it.

import { Lacks, type Rule, Trial } from "./rule.ts";

export interface Verdict {
  /** "lacks": not broken, and not offered. "unjudged": what comes before it is broken. */
  outcome: "holds" | "broken" | "lacks" | "unjudged";
  /** Of what does not hold: what the plugin did, or what it has not. */
  detail?: string;
  /** What was seen on the way. */
  notes: string[];
}

/** Resolves, whatever the plugin does; one that never returns keeps it from resolving. */
export async function verdictOf(rule: Rule, wasm: Uint8Array): Promise<Verdict> {
  const trial = new Trial(wasm);
  try {
    await rule.judge(trial);
    return { outcome: "holds", notes: trial.notes };
  } catch (error) {
    const outcome = error instanceof Lacks ? "lacks" : "broken";
    return { outcome, detail: (error as Error).message, notes: trial.notes };
  }
}
