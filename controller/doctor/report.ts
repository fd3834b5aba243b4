// Findings → the report for operators: a summary where there are many Services, then a line for
// each finding, and an exit code for scripts. Pure.

import type { Finding, Level } from "./types.ts";

const LEVELS: readonly Level[] = ["error", "warning", "note", "ok"];

/** Returns the exit code: 1 when something is wrong, 0 otherwise. */
export function exitCodeOf(findings: readonly Finding[]): 0 | 1 {
  return findings.some(({ level }) => level === "error") ? 1 : 0;
}

interface ReportOptions {
  /** How many Services were examined; undefined: a single one, which needs no summary. */
  services: number | undefined;
  /** Also shows what is well, and notes; otherwise only errors and warnings. */
  all: boolean;
}

/** Returns the text, which ends in a line feed; a Service's worst findings come first. */
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

/** Returns "3 Services: 1 with errors, 0 with warnings only, 2 with neither". */
function summary(findings: readonly Finding[], services: number): string {
  const named = (level: Level) =>
    new Set(findings.filter((each) => each.level === level).map(({ service }) => service));
  const errors = named("error");
  const warnings = new Set([...named("warning")].filter((service) => !errors.has(service)));
  const elsewhere = errors.delete("") || warnings.delete("");
  const clean = services - errors.size - warnings.size;
  const counted =
    `${services} ${services === 1 ? "Service" : "Services"}: ${errors.size} with errors, ` +
    `${warnings.size} with warnings only, ${Math.max(clean, 0)} with neither`;
  return elsewhere ? `${counted}; plus findings of no Service` : counted;
}
