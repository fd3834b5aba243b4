// What `portico check` reports about one thing on the node.

/**
 * ok: as it should be. note: worth knowing. warning: may do harm, look at it first. blocker:
 * Services would not work.
 */
export type Level = "ok" | "note" | "warning" | "blocker";

export interface Finding {
  level: Level;
  /** Plain words, no full stop. */
  what: string;
  /** What the node has. */
  seen: string;
  /** Empty when there is nothing to do. */
  todo: string;
  /** The command that shows it. */
  show: string;
}

const LEVELS: readonly Level[] = ["blocker", "warning", "note", "ok"];

/** Sorts the worst first; findings of one level keep their order. */
export function sortedFindings(findings: readonly Finding[]): Finding[] {
  return findings.toSorted((a, b) => LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level));
}

/** Counts the findings of one level. */
export function countOf(level: Level, findings: readonly Finding[]): number {
  return findings.filter((finding) => finding.level === level).length;
}

/** Returns a list for operators: the first few, and how many more. */
export function listed(items: readonly string[], most = 5): string {
  const unique = [...new Set(items)];
  const more = unique.length > most ? `, and ${unique.length - most} more` : "";
  return unique.slice(0, most).join(", ") + more;
}
