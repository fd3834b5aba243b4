import { expect, it } from "vitest";
import { faultsFrom } from "./asc-faults.ts";

/** asc's text for a fault at a place of the author's file. */
function text(code: string, message: string, line: number, file = "pick.ts"): string {
  return `ERROR ${code}: ${message}\n    :\n ${line} │ code\n    └─ in ${file}(${line},7)\n\n`;
}

it("reads line, column and message", () => {
  expect(faultsFrom(text("TS2304", "Cannot find name 'x'.", 2), "\nx")).toEqual([
    { line: 2, column: 7, message: "Cannot find name 'x'.", hint: undefined },
  ]);
});

it.each([
  ["const port = backend?.port", "there is no `?.`"],
  ["const best = found ?? other", "there is no `??`"],
  ["for (const each of list) {", "there is no for…of"],
  ["for (const key in list) {", "there is no for…in"],
  ["try { pick() } catch { }", "there is no try and catch"],
  ["const { port } = backend", "there is no destructuring"],
  ["f(...list)", "there is no spread"],
  ["async function f(): void {}", "there is no async"],
  ["function f(x: any): void {}", "there is no any"],
  ["const big = 10n", "there are no bigints"],
  ["const text = /a+/", "there are no regular expressions"],
  ["const x: string | number = 1", "a type is one type"],
])("says what to write in place of: %s", (source, hint) => {
  const [fault] = faultsFrom(text("TS1109", "Expression expected.", 1), source);
  expect(fault?.hint).toContain(hint);
});

it("takes no hint from a comment or a text", () => {
  const source = 'const a = f("?."); // for (const x of y)';
  expect(faultsFrom(text("TS2304", "Cannot find name 'f'.", 1), source)[0]?.hint).toBeUndefined();
});

it("prefers what the message says", () => {
  const source = "const x: i32 = y?.z";
  const fault = faultsFrom(text("AS200", "Conversion … requires an explicit cast.", 1), source)[0];
  expect(fault?.hint).toContain("i32(x)");
});

it("keeps the first fault of a line, and blames no line of its own library", () => {
  const found = faultsFrom(
    text("TS1109", "one", 1) + text("TS1005", "two", 1) + text("TS2322", "three", 9, "~lib/a.ts"),
    "a?.b",
  );
  expect(found.map(({ line, message }) => [line, message])).toEqual([
    [1, "one"],
    [0, "three"],
  ]);
});

it("passes on what it does not understand", () => {
  expect(faultsFrom("asc: out of memory", "")).toEqual([
    { line: 0, column: 0, message: "asc: out of memory", hint: undefined },
  ]);
});
