// Verdicts → the text that a plugin's author reads.

import { CHAPTERS, RULES } from "./rules.ts";
import type { Verdict } from "./verdict.ts";

const WORDS: Record<Verdict["outcome"], string> = {
  holds: "holds",
  broken: "BROKEN",
  lacks: "lacks",
  unjudged: "-",
};
const INDENT = " ".repeat(10);
const COLUMNS = 100;

/** The lines of a rule's verdict, after its chapter's title where that begins with it. */
export function linesOf(index: number, verdict: Verdict): string[] {
  const rule = RULES[index];
  const chapter = CHAPTERS.find(({ rules }) => rules[0] === rule);
  const { outcome, detail, notes } = verdict;
  return [
    ...(chapter ? ["", chapter.title] : []),
    `  ${WORDS[outcome].padEnd(8)}${rule?.name}`,
    ...(detail === undefined ? [] : indented(detail)),
    ...(detail === undefined ? [] : indented(`Otherwise: ${rule?.otherwise}.`)),
    ...notes.flatMap((note) => indented(`(${note})`)),
  ];
}

/** Broken between words; a longer word stays whole. */
function indented(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1) ?? INDENT.slice(1)} ${word}`;
    if (lines.length > 0 && longer.length > COLUMNS) lines.push(INDENT + word);
    else lines.splice(-1, 1, longer);
  }
  return lines;
}

/** One line; `isComplete`: what is lacking counts as broken. */
export function summaryOf(verdicts: readonly Verdict[], isComplete: boolean): string {
  const count = (outcome: Verdict["outcome"]) =>
    verdicts.filter((verdict) => verdict.outcome === outcome).length;
  const parts = [
    `${count("holds")} of ${verdicts.length} rules hold`,
    ...(count("broken") > 0 ? [`${count("broken")} broken`] : []),
    ...(count("lacks") > 0
      ? [`${count("lacks")} lacking${isComplete ? "" : ", which is allowed"}`]
      : []),
    ...(count("unjudged") > 0 ? [`${count("unjudged")} that could not be judged`] : []),
  ];
  return `${isFit(verdicts, isComplete) ? "fit" : "NOT FIT"}: ${parts.join("; ")}`;
}

/** Whether Envoy and Portico can do with the plugin. */
export function isFit(verdicts: readonly Verdict[], isComplete: boolean): boolean {
  return verdicts.every(
    ({ outcome }) => outcome === "holds" || (outcome === "lacks" && !isComplete),
  );
}
