// The checklist of Kubernetes' own tests: whatever it refers to is there and is run. Prints what is
// open.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { ALL_CASES } from "./cases/cases.ts";
import { casesFor } from "./cases/features.ts";
import { E2E } from "./checklist/e2e.ts";
import type { Entry, Reference } from "./checklist/entry.ts";

const ROOT = join(import.meta.dirname, "..");
const REAL_CASES = casesFor("real", ALL_CASES);
const ENTRIES = E2E.flatMap(({ file, entries }) => entries.map((entry) => ({ file, ...entry })));

/** The titles in a source: what stands first in it(…), test(…) and their each(…)(…). */
function titlesIn(text: string): Set<string> {
  const calls = text.matchAll(/(?:\b(?:it|test)|\))\(\s*("(?:[^"\\\n]|\\.)*")\s*,/g);
  return new Set([...calls].map(([, literal = '""']) => JSON.parse(literal) as string));
}

function isThere(reference: Reference): boolean {
  if (reference.kind === "case") return ALL_CASES.some(({ name }) => name === reference.name);
  const path = join(ROOT, reference.file);
  return existsSync(path) && titlesIn(readFileSync(path, "utf8")).has(reference.title);
}

/** A case that is there need not be run: it may wait for an ability of Portico's. */
function isRun(reference: Reference): boolean {
  if (reference.kind === "test") return true;
  return REAL_CASES.some(({ name }) => name === reference.name);
}

function textOf(reference: Reference): string {
  if (reference.kind === "case") return `case "${reference.name}"`;
  return `${reference.file} "${reference.title}"`;
}

/** Why an entry is not done; empty when it is. */
function openPoints(entry: Entry): string[] {
  const waiting = (entry.covered ?? []).filter((reference) => !isRun(reference));
  const points = waiting.map((reference) => `is not run: ${textOf(reference)}`);
  return entry.open === undefined ? points : [entry.open, ...points];
}

describe.each(E2E)("$file", ({ entries }) => {
  it.each(entries)("$name", (entry) => {
    const missing = (entry.covered ?? []).filter((reference) => !isThere(reference));
    expect(missing.map(textOf), "what the checklist names, and is nowhere").toEqual([]);
    if (entry.reason === undefined && entry.open === undefined) {
      expect(entry.covered).not.toEqual([]);
    }
  });
});

it("names each test once", () => {
  const names = ENTRIES.map(({ file, name }) => `${file}: ${name}`);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
});

it("finds titles as they are written", () => {
  const calls = [
    'it("one", () => {});',
    'it.each([1, f(2)])("two %i", f);',
    'test(\n  "three \\"3\\"",\n);',
  ];
  const text = calls.join("\n");
  expect([...titlesIn(text)]).toEqual(["one", "two %i", 'three "3"']);
});

afterAll(() => {
  const open = ENTRIES.filter((entry) => openPoints(entry).length > 0);
  const reasons = ENTRIES.filter(({ reason }) => reason !== undefined);
  const done = ENTRIES.length - open.length - reasons.length;
  const lines = open.map((entry) => {
    return [`  ${entry.file}: ${entry.name}`, ...openPoints(entry)].join("\n      ");
  });
  console.log(
    `Of ${ENTRIES.length} e2e tests ${done} are covered, ${reasons.length} do not apply, ` +
      `${open.length} are open:\n${lines.join("\n")}`,
  );
});
