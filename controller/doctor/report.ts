// Findings → what people read: a summary where there are many Services, then a line for each
// finding, and how it ends for a script. Pure.

import type { Finding, Level } from "./types.ts";

const LEVELS: readonly Level[] = ["error", "warning", "note", "ok"];

/** The exit code: 1 when something is wrong, 0 otherwise. */
export function exitCodeOf(findings: readonly Finding[]): 0 | 1 {
  return findings.some(({ level }) => level === "error") ? 1 : 0;
}

export interface ReportOptions {
  /** How many Services were looked at; undefined: one alone, which needs no summary. */
  services: number | undefined;
  /** What is well, and notes too; otherwise only errors and warnings. */
  all: boolean;
}

/** Ends in a line feed. Worst first among those of one Service. */
export function reportText(findings: readonly Finding[], options: ReportOptions): string {
  const shown = options.all ? findings : findings.filter(({ level }) => isTrouble(level));
  const byService = Map.groupBy(shown, ({ service }) => service);
  const lines = [...byService.values()].flatMap((own) => own.toSorted(compare).map(lineOf));
  const { services } = options;
  const head = services === undefined ? [] : [summary(findings, services)];
  return [...head, ...lines].map((line) => `${line}\n`).join("");
}

function compare(a: Finding, b: Finding): number {
  return LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level);
}

function isTrouble(level: Level): boolean {
  return level === "error" || level === "warning";
}

function lineOf({ level, service, text, command }: Finding): string {
  const subject = service === "" ? "" : `${service}: `;
  return `${level.padEnd(7)}  ${subject}${text}   # ${command}`;
}

/** "3 Services: 1 with errors, 0 with warnings only, 2 well" */
function summary(findings: readonly Finding[], services: number): string {
  const named = (level: Level) =>
    new Set(findings.filter((each) => each.level === level).map(({ service }) => service));
  const errors = named("error");
  const warnings = new Set([...named("warning")].filter((service) => !errors.has(service)));
  const elsewhere = errors.delete("") || warnings.delete("");
  const well = services - errors.size - warnings.size;
  const counted =
    `${services} ${services === 1 ? "Service" : "Services"}: ${errors.size} with errors, ` +
    `${warnings.size} with warnings only, ${Math.max(well, 0)} well`;
  return elsewhere ? `${counted}; and something that is no Service's` : counted;
}
