// TypeScript that goes wrong: what asc makes of it fails with its reason and its line, or is
// refused with the line, and a fault of the source comes with what to write instead.

import { expect, it } from "vitest";
import { faultsFrom } from "../../controller/functions/asc-faults.ts";
import { checkFunction } from "../../controller/linker/check-function.ts";
import { compiled, compiledBody } from "./compiled.ts";
import { StrictHost } from "./strict-host.ts";

const CHECK = "a check failed";
const FUEL = "longer than its fuel";
const MEMORY = "out of memory";
const DIVISION = "divided by zero";

/**
 * asc has one copy of a check of its library for several lines of the same file. Then the lines are
 * some of those that lead to it; here, where many lines do, not always this one.
 */
const SHARED = "shared";

/** Bodies that fail; the plugin answers every question with 0, `anyOf` with -1. */
const FAILING: readonly (readonly [body: string, reason: string, line?: "shared"])[] = [
  ["const a = new StaticArray<i32>(4); return backends[a[backends.length]];", CHECK, SHARED],
  ["const a = new Array<i32>(4); return backends[a[backends.length]];", CHECK],
  ["const a = new Array<i32>(4); return backends[a[random(1) - 1]];", CHECK, SHARED],
  ["const a = new Array<i32>(random(1) - 1); return backends[a.length];", CHECK, SHARED],
  ["const a = new Array<i32>(0); return backends[a.pop()];", CHECK],
  ["return backends[backends.length];", CHECK, SHARED],
  ["return backends[random(1) - 1];", CHECK],
  ["return backends[i32(<u32>random(1) - 1)];", CHECK, SHARED],
  ["return backends[<i32>1e20];", CHECK, SHARED],
  ["return backends[100 / random(1)];", DIVISION],
  ["return backends[100 % random(1)];", DIVISION],
  ["return backends[<i32>(<i64>100 / <i64>random(1))];", DIVISION],
  ["return backends[(i32.MIN_VALUE + random(1)) / (random(1) - 1)];", DIVISION],
  ["assert(backends.length < 0); return null;", CHECK],
  ['throw new Error("no such luck");', CHECK],
  ["return backends[backends.anyOf(5)!.index];", CHECK],
  ["return backends[<i32>state[256 + random(1)]];", CHECK],
  ["state[random(1) - 1] = 1; return null;", CHECK],
  ["let x = 0; for (let i = 0; i < 1000000; i++) x = x * 31 + i; return backends[x & 1];", FUEL],
  [
    "let x = 1; for (let i = 0; i < 9999; i++) for (let j = 0; j < 9999; j++) x ^= i; return null;",
    FUEL,
  ],
  ["let x = 0; while (x < 1000000) x += random(1) + 1; return backends[x & 1];", FUEL],
  [
    "let t = 0.5; for (let i = 0; i < 1000000; i++) t = Math.sqrt(t + i); return backends[<i32>t];",
    FUEL,
  ],
  ['let t = ""; for (let i = 0; i < 100000; i++) t += "x"; return backends[t.length & 1];', FUEL],
  ["const a = new Array<i32>(); for (let i = 0; i < 100000; i++) a.push(i); return null;", FUEL],
  [
    "const m = new Map<i32, i32>(); for (let i = 0; i < 100000; i++) m.set(i, i); return null;",
    FUEL,
    SHARED,
  ],
  ["const a = new StaticArray<u64>(9000 + random(1)); return backends[<i32>a[0]];", MEMORY, SHARED],
  ["const a = new Array<u8>(1000000 + random(1)); return backends[a[0]];", MEMORY, SHARED],
  ["const m = new Map<i32, i32>(); return backends[m.get(random(1))];", CHECK],
];

/** Each in a function of its own, in a line of its own: 1, 2, … */
function source(): string {
  const lines = FAILING.map(
    ([body], index) => `function f${index}(backends: Backends): Backend | null { ${body} }`,
  );
  const arms = FAILING.map((_, index) => `case ${index}: return f${index}(backends);`);
  return `${lines.join("\n")}
export function pick(connection: Connection, backends: Backends): Backend | null {
  switch (backends.length - 100) { ${arms.join("\n")} }
  return null;
}`;
}

it("fails in the line, for the reason, and changes nothing", async () => {
  const host = await StrictHost.of([await compiled(source())], { anyOf: () => -1 });
  const slot = host.linked.slots[0];
  if (!slot || slot.refused) throw new Error(slot?.refused?.reason);
  const found = FAILING.map(([body], index) => {
    const failure = slot.failureText(host.pick({ count: 100 + index }).answer) ?? "none";
    const [, text = failure, line = "0"] = /^(.*), at .*?pick\.ts:(\d+)/.exec(failure) ?? [];
    return { body, text, line: Number(line) };
  });
  const wrong = found.filter(({ text }, index) => !text.includes(FAILING[index]?.[1] ?? "?"));
  expect(wrong).toEqual([]);
  const elsewhere = found.filter(({ line }, index) => {
    return FAILING[index]?.[2] === SHARED ? line === 0 : line !== index + 1;
  });
  expect(elsewhere).toEqual([]);
  expect(host.state.every((byte) => byte === 0)).toBe(true);
});

const REFUSED: readonly (readonly [string, string, string])[] = [
  [
    "a sort with a comparison",
    "const a = new Array<i32>(9); a.sort((x, y) => x - y); return backends[a[0]];",
    "callbacks and closures are not available",
  ],
  ["console.log", 'console.log("x"); return null;', "imports env.console.log, which the API"],
  ["Math.random", "return backends[<i32>(Math.random() * 9)];", "imports env.seed, which the API"],
  ["Date.now", "return backends[<i32>(Date.now() & 1)];", "which the API"],
];

it.each(REFUSED)("refuses %s", async (_what, body, reason) => {
  const checked = checkFunction(await compiledBody(body));
  expect("reason" in checked ? checked.reason : "it is taken").toContain(reason);
});

it("refuses recursion, with the line", async () => {
  const checked = checkFunction(
    await compiled(`function count(n: i32): i32 {
  if (n < 2) return n;
  return count(n - 1) + count(n - 2);
}
export function pick(connection: Connection, backends: Backends): Backend | null {
  return backends[count(backends.length)];
}`),
  );
  expect(checked).toMatchObject({
    reason: "a function calls itself: recursion is not available",
    line: "pick.ts:3",
  });
});

const FAULTS: readonly (readonly [string, string])[] = [
  ["for (const each of [1, 2]) return backends[each];", "there is no for…of"],
  ["return backends.anyOf(1) ?? null;", "there is no `??`"],
  ["const port = backends.anyOf(1)?.port; return null;", "there is no `?.`"],
  ["const { length } = backends; return null;", "there is no destructuring"],
  ["const [one] = [1]; return backends[one];", "there is no destructuring"],
  ["try { return backends[0]; } catch { return null; }", "there is no try and catch"],
  [
    "const n = random(9); const f = (): i32 => n; return backends[f()];",
    "an arrow function cannot use",
  ],
  ["const share: i32 = 0.5; return backends[share];", "write the conversion"],
  ["const list = [...[1, 2]]; return null;", "there is no spread"],
  ["return backends.anyOf(1).port > 0 ? null : null;", "compare with null first"],
  ["const x: any = 1; return null;", "there is no any"],
  ["const x: i32 | string = 1; return null;", "a type is one type"],
  ["const big = 10n; return null;", "there are no bigints"],
  ["fetch(1); return null;", "no network, no files, no timers"],
  ["load<u32>(0); return null;", "unsafe"],
  ["const a = [1]; return backends[unchecked(a[9])];", "unsafe"],
];

it.each(FAULTS)("says what to write instead of: %s", async (body, hint) => {
  const text = await compiledBody(body).then(
    () => "it compiles",
    (error: Error) => error.message,
  );
  const head =
    "\nexport function pick(connection: Connection, backends: Backends): Backend | null {\n";
  const faults = faultsFrom(text, `${head}${body}\n}\n`);
  expect(
    faults
      .map(({ message, hint }) => `${message} ${hint}`)
      .join("\n")
      .toLowerCase(),
  ).toContain(hint.toLowerCase());
  expect(faults[0]?.line).toBe(3);
});

it("says what a file without pick lacks", async () => {
  const text = await compiled("export let share: i32 = 1;").then(
    () => "it compiles",
    (error: Error) => error.message,
  );
  expect(faultsFrom(text, "")[0]?.hint).toContain("export function pick(connection");
});
