import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { StrictHost } from "../../test/functions/strict-host.ts";
import { type HandWritten, handWritten, i32, u32 } from "../../test/functions/wat.ts";
import { hostModule } from "../functions/host-module.ts";
import { link, PluginNotLinkableError } from "./link.ts";
import { I32, OP } from "./opcodes.ts";

const LOAD = [OP.i32Load, 2, 0];
const STORE = [OP.i32Store, 2, 0];

function hostOf(...modules: HandWritten[]): Promise<StrictHost> {
  return StrictHost.of(modules.map(handWritten), { any: () => 7, port: (index) => 8080 + index });
}

/** state[0] + 1 is stored there and returned. */
const COUNTS: HandWritten = {
  api: ["state"],
  functions: [
    {
      code: [
        ...[OP.call, 0, OP.call, 0, ...LOAD, ...i32(1), OP.i32Add, ...STORE],
        ...[OP.call, 0, ...LOAD],
      ],
    },
  ],
};

it("answers the index that the function of the slot returns", async () => {
  const host = await hostOf(
    { functions: [{ code: i32(3) }] },
    { api: ["any"], functions: [{ code: [OP.call, 0] }] },
    { api: ["length"], functions: [{ code: [OP.call, 0, ...i32(1), OP.i32Sub] }] },
  );
  expect(host.pick({ slot: 0 }).answer).toBe(3);
  expect(host.pick({ slot: 1 }).answer).toBe(7);
  expect(host.pick({ slot: 2, count: 25 }).answer).toBe(24);
});

it("passes arguments to the plugin and its answers back", async () => {
  const host = await hostOf({
    api: ["port"],
    functions: [{ code: [...i32(2), OP.call, 0, ...i32(8080), OP.i32Sub] }],
  });
  expect(host.pick().answer).toBe(2);
});

it("answers -1 where the function does, and a failure for an index not in the list", async () => {
  const host = await hostOf(
    { functions: [{ code: i32(-1) }] },
    { functions: [{ code: i32(10) }] },
    { functions: [{ code: i32(-2) }] },
  );
  expect(host.pick({ slot: 0 }).answer).toBe(-1);
  expect(host.failure({ slot: 0 })).toBeUndefined();
  const notListed = "it returned a backend that is not in the list";
  expect([host.failure({ slot: 1 }), host.failure({ slot: 2 })]).toEqual([notListed, notListed]);
  expect(host.pick({ slot: 1, count: 11 }).answer).toBe(10);
});

it("fails by name where the slot has no function", async () => {
  const linked = link(hostModule(), [
    undefined,
    { name: "shop/odd", wasm: new Uint8Array(3) },
    { name: "shop/five", wasm: handWritten({ functions: [{ code: i32(5) }] }) },
  ]);
  expect(linked.slots[0]).toBeUndefined();
  expect(linked.slots[1]?.refused?.reason).toContain("not a WebAssembly module");
  const host = await StrictHost.of([handWritten({ functions: [{ code: i32(5) }] })]);
  const none = host.pick({ slot: 1 }).answer;
  expect([0, 1, 3, -1].map((slot) => host.pick({ slot }).answer)).toEqual([5, none, none, none]);
  const slot = host.linked.slots[0];
  expect(slot?.refused === undefined && slot?.failureText(none)).toBe("the slot has no function");
});

it("keeps the state from one success to the next, and drops it with a failure", async () => {
  const host = await hostOf(COUNTS);
  expect([1, 2, 3].map(() => host.pick().answer)).toEqual([1, 2, 3]);
  expect(host.pick({ count: 3 }).answer).toBeLessThan(-1);
  expect(host.state[0]).toBe(3);
  expect(host.linked.slots[0]).toMatchObject({ state: { isUsed: true, shape: 0 } });
});

it("brings globals and static data back before each pick", async () => {
  const global: HandWritten = {
    globals: [{ initial: i32(4) }],
    functions: [
      {
        code: [OP.globalGet, 0, ...i32(1), OP.i32Add, OP.globalSet, 0, OP.globalGet, 0],
      },
    ],
  };
  const data: HandWritten = {
    data: [[4096, [4, 0, 0, 0]]],
    functions: [
      {
        code: [
          ...[...i32(4096), ...i32(4096), ...LOAD, ...i32(1), OP.i32Add, ...STORE],
          ...[...i32(4096), ...LOAD],
        ],
      },
    ],
  };
  const host = await hostOf(global, data);
  expect([1, 2, 3].map(() => host.pick({ slot: 0 }).answer)).toEqual([5, 5, 5]);
  expect([1, 2, 3].map(() => host.pick({ slot: 1 }).answer)).toEqual([5, 5, 5]);
});

it("gives each slot its own memory, however large the address", async () => {
  const store = (address: number, value: number): HandWritten => ({
    functions: [
      {
        code: [
          ...[...i32(address), ...i32(value), OP.i32Store, 2, ...u32(4_000)],
          ...[...i32(address), OP.i32Load, 2, ...u32(4_000)],
        ],
      },
    ],
  });
  const reads: HandWritten = {
    functions: [{ code: [...i32(0), OP.i32Load, 2, ...u32(70_000)] }],
  };
  const host = await hostOf(store(-1, 1), store(0x7fff_ffff, 2), reads, store(65_535, 3));
  expect([0, 1, 2, 3].map((slot) => host.pick({ slot }).answer)).toEqual([1, 2, 0, 3]);
});

it("sets parameters in place of the values of the source", async () => {
  const wasm = handWritten({
    globals: [{ name: "share", initial: i32(2) }],
    functions: [{ code: [OP.globalGet, 0] }],
  });
  const host = await StrictHost.of([
    { name: "a", wasm },
    { name: "b", wasm, parameters: { share: 9 } },
    { name: "c", wasm, parameters: { shares: 9 } },
    { name: "d", wasm, parameters: { share: 1.5 } },
    { name: "e", wasm, parameters: { share: 2 ** 32 } },
  ]);
  expect([0, 1].map((slot) => host.pick({ slot }).answer)).toEqual([2, 9]);
  expect(host.linked.slots[1]).toMatchObject({
    parameters: [{ name: "share", type: "i32", value: 9 }],
  });
  expect(host.linked.slots.slice(2).map((slot) => slot?.refused?.reason)).toEqual([
    'it has no parameter "shares"; its parameters are: share',
    'parameter "share" is not an integer',
    'parameter "share" does not fit into 32 bits',
  ]);
});

it("runs the start of the module before each pick, from the same globals", async () => {
  const host = await hostOf({
    globals: [{ initial: i32(0) }],
    functions: [
      { code: [OP.globalGet, 0] },
      { results: [], code: [OP.globalGet, 0, ...i32(6), OP.i32Add, OP.globalSet, 0] },
    ],
    start: 1,
  });
  expect([host.pick().answer, host.pick().answer]).toEqual([6, 6]);
});

it("pays for each loop turn, entry and call, and ends with the fuel", async () => {
  const loop = (turns: number): HandWritten => ({
    functions: [
      {
        locals: [I32],
        code: [
          ...[...i32(turns), OP.localSet, 0, OP.loop, 0x40],
          ...[OP.localGet, 0, ...i32(1), OP.i32Sub, OP.localTee, 0, OP.brIf, 0, OP.end],
          ...i32(1),
        ],
      },
    ],
  });
  const host = await hostOf(loop(10), loop(20), loop(100_000));
  const used = [0, 1].map((slot) => 20_000 - host.pick({ slot }).fuelLeft);
  expect((used[1] ?? 0) - (used[0] ?? 0)).toBe(10 * 6);
  expect(host.failure({ slot: 2 })).toBe("it ran for longer than its fuel allows");
  expect(host.failure({ slot: 0, fuel: 3 })).toBe("it ran for longer than its fuel allows");
});

it("gives the same bytes again, and as many more as a function says", () => {
  const functions = [COUNTS, { functions: [{ code: i32(1) }] }].map((each, index) => ({
    name: `f${index}`,
    wasm: handWritten(each),
  }));
  const one = link(hostModule(), functions);
  expect(Buffer.from(link(hostModule(), functions).wasm)).toEqual(Buffer.from(one.wasm));
  const sizes = one.slots.map((slot) => (slot?.refused === undefined && slot?.bytes) || 0);
  const without = link(hostModule(), []).wasm.length;
  const parts = one.wasm.length - without - sizes.reduce((sum, size) => sum + size, 0);
  expect(sizes.every((size) => size > 40)).toBe(true);
  expect(parts).toBeLessThan(64);
});

it("refuses a plugin that asks no function, lacks what a function calls, or is no plugin", () => {
  const shipped = readFileSync("build/portico.wasm");
  expect(() => link(shipped, [])).toThrow(PluginNotLinkableError);
  expect(() => link(shipped, [])).toThrow("does not import functions.pick");
  expect(() => link(new Uint8Array(9), [])).toThrow("is not a WebAssembly module");
  expect(() => link(hostModule(), new Array(1_025))).toThrow("MAX_SLOTS");
});
