import { expect, it } from "vitest";
import { handWritten, i32 } from "../../test/functions/wat.ts";
import { OP } from "./opcodes.ts";
import { Places } from "./places.ts";
import { readModule } from "./read-module.ts";
import { readSourceMap } from "./source-map.ts";

// Three functions: run calls a function of the library from two places, which calls another.
const module = readModule(
  handWritten({
    functions: [
      { code: [OP.call, 1, OP.drop, OP.call, 1] },
      { code: [OP.call, 2] },
      { code: i32(0) },
    ],
  }),
);
const [run, library, deep] = module.functions.map(({ start }) => start);
if (run === undefined || library === undefined || deep === undefined) throw new Error("no code");
const calls = [
  [
    { callee: 1, place: run },
    { callee: 1, place: run + 3 },
  ],
  [{ callee: 2, place: library }],
  [],
];
const mappings = [
  { place: run, source: "pick.ts", line: 4 },
  { place: run + 3, source: "pick.ts", line: 5 },
  { place: library, source: "~lib/array.ts", line: 100 },
  { place: deep, source: "~lib/util.ts", line: 7 },
];

it("finds the author's line at or before a place, in the same function", () => {
  const places = new Places(module, mappings, calls);
  expect([run, run + 2, run + 4].map((place) => places.lineOf(place))).toEqual([
    "pick.ts:4",
    "pick.ts:4",
    "pick.ts:5",
  ]);
});

it("shows the lines that call asc's library, through all of its functions", () => {
  const places = new Places(module, mappings, calls);
  expect(places.lineOf(library)).toBe("pick.ts:4 or pick.ts:5");
  expect(places.lineOf(deep)).toBe("pick.ts:4 or pick.ts:5");
});

it("shows the library's line where nothing is known of the author's", () => {
  expect(new Places(module, mappings.slice(2), calls).lineOf(deep)).toBe("~lib/util.ts:7");
  expect(new Places(module, [], calls).lineOf(run)).toBeUndefined();
});

it("reads a source map, and takes what is none for one without lines", () => {
  const text = JSON.stringify({
    version: 3,
    sources: ["~lib/a.ts", "pick.ts"],
    mappings: "IAAA,ECCC,U,CDDD",
  });
  expect(readSourceMap(text)).toEqual([
    { place: 4, source: "~lib/a.ts", line: 1 },
    { place: 6, source: "pick.ts", line: 2 },
    { place: 17, source: "~lib/a.ts", line: 1 },
  ]);
  for (const none of [undefined, "", "[]", "null", "{}", '{"sources":[],"mappings":1}']) {
    expect(readSourceMap(none)).toEqual([]);
  }
});
