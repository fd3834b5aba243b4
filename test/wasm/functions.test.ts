// Functions in the plugin as it ships: which backend a record's function picks, what it may ask,
// and that balancing takes its place wherever it does not pick.

import { stat } from "node:fs/promises";
import { expect, it } from "vitest";
import { OP } from "../../controller/linker/opcodes.ts";
import { failureOf } from "../../controller/linker/outcome.ts";
import { decodeFrame } from "../../controller/wire/decode.ts";
import { functionFailuresFrom } from "../../controller/wire/function-failures.ts";
import { type HandWritten, i32 } from "../functions/wat.ts";
import { WasmHost } from "./host.ts";
import { linked, PLUGIN_WITH_FUNCTIONS, recordWith, snapshotWith } from "./linked-fixtures.ts";
import { backends, backendText, frontend, PLUGIN } from "./table-fixtures.ts";
import { WebAssembly } from "./webassembly.ts";

const SECOND = frontend(1, { backends: backends(5) });
const AT = "10.96.0.1:80";

const I32_WRAP_I64 = 0xa7;

/** Answers an index. */
const fixed = (index: number): HandWritten => ({ functions: [{ code: i32(index) }] });
/** Answers what one call of the API answers. */
const asks = (name: string, ...given: number[]): HandWritten => ({
  api: [name],
  functions: [{ code: [...given.flatMap(i32), OP.call, 0] }],
});
const FAILS: HandWritten = { functions: [{ code: [OP.unreachable] }] };
const LOOPS: HandWritten = {
  functions: [{ code: [OP.loop, 0x40, OP.br, 0, OP.end, ...i32(0)] }],
};

async function hostWith(...functions: HandWritten[]): Promise<WasmHost> {
  return WasmHost.load(linked(...functions).wasm);
}

/** Where 100 connections went, without repetition, in order. */
function answers(host: WasmHost, destination = AT): string[] {
  const all = Array.from({ length: 100 }, () => {
    const { backend, closed } = host.connect(destination);
    return backend ?? closed;
  });
  return [...new Set(all)].sort();
}

it("is smaller than 52 KB, and neither build has what is the other's", async () => {
  expect((await stat(PLUGIN_WITH_FUNCTIONS)).size).toBeLessThan(52 * 1024);
  const { module: plain } = await WasmHost.load(PLUGIN);
  const { module } = await WasmHost.load(linked().wasm);
  for (const each of [plain, module]) {
    const names = WebAssembly.Module.exports(each).map(({ name }) => name);
    expect(names.filter((name) => name.startsWith("api_"))).toEqual([]);
    const imports = WebAssembly.Module.imports(each).map((from) => from.module);
    expect(imports).not.toContain("functions");
  }
  const exportsOf = (of: object) =>
    WebAssembly.Module.exports(of)
      .map(({ name }) => name)
      .sort();
  expect(exportsOf(module)).toEqual(exportsOf(plain));
});

it("picks what the function of the record's slot answers", async () => {
  const host = await hostWith(fixed(3), fixed(1));
  const other = frontend(2, { backends: backends(5, 2) });
  host.pushAll(snapshotWith([SECOND, other, frontend(3)], [0, 1]));
  expect(answers(host)).toEqual(["10.1.0.4:8080"]);
  expect(answers(host, "10.96.0.2:80")).toEqual(["10.2.0.2:8080"]);
  expect(answers(host, "10.96.0.3:80")).toHaveLength(3);
  expect(host.counter("function_picks")).toBe(200);
});

it("picks in a long list, whose chunks it reads once", async () => {
  const host = await hostWith(fixed(699));
  const long = frontend(1, { backends: backends(700) });
  host.pushAll(snapshotWith([long], [0]));
  expect(answers(host)).toEqual([backendText(long.backends[699] as never)]);
  let reads = 0;
  host.fault = (name) => {
    if (name === "proxy_get_shared_data") reads += 1;
    return undefined;
  };
  host.connect(AT);
  // The mark, and the chunk of the picked backend.
  expect(reads).toBeLessThan(8);
  host.fault = undefined;
  const shorter = { ...long, backends: backends(700, 2) };
  host.pushAll(snapshotWith([shorter], [0], 2));
  expect(answers(host)).toEqual([backendText(shorter.backends[699] as never)]);
});

it("leaves the choice to balancing where the function answers any", async () => {
  const host = await hostWith(fixed(-1));
  host.pushAll(snapshotWith([SECOND], [0]));
  expect(answers(host)).toEqual(SECOND.backends.map(backendText));
  expect(host.counter("function_failures")).toBe(0);
});

it("falls back where it fails, and counts why and where", async () => {
  const made = linked(FAILS, LOOPS, fixed(5));
  const host = await WasmHost.load(made.wasm);
  const at = [1, 2, 3].map((index) => frontend(index, { backends: backends(5) }));
  host.pushAll(snapshotWith(at, [0, 1, 2]));
  for (const of of at) {
    const all = SECOND.backends.map(backendText);
    expect(answers(host, `${of.address}:80`)).toEqual(all);
  }
  const found = functionFailuresFrom(host.request("GET", "/v1/functions").body);
  expect(found.map(({ slot, answer, count }) => [slot, failureOf(answer)?.reason, count])).toEqual([
    [0, "unreachable", 10],
    [1, "fuel", 10],
    [2, "range", 10],
  ]);
  expect(host.counter("function_failures")).toBe(30);
  expect(host.counter("function_skipped")).toBe(270);
  const one = functionFailuresFrom(host.request("GET", "/v1/functions?first=1&count=1").body);
  expect(one.map(({ slot }) => slot)).toEqual([1]);
});

it("asks a function that failed often again after some seconds, once", async () => {
  let now = 1_000_000_000_000n;
  const host = await WasmHost.load(linked(FAILS).wasm, { steadyNow: () => now });
  host.pushAll(snapshotWith([SECOND], [0]));
  const failures = () => {
    for (let i = 0; i < 20; i++) host.connect(AT);
    return host.counter("function_failures");
  };
  expect(failures()).toBe(10);
  now += 4_999_000_000n;
  expect(failures()).toBe(10);
  now += 2_000_000n;
  expect(failures()).toBe(11);
});

it("balances where the slot has no function, and refuses a slot that cannot be", async () => {
  const host = await hostWith(fixed(3));
  host.pushAll(snapshotWith([SECOND], [1023]));
  expect(answers(host)).toHaveLength(5);
  const [frame] = snapshotWith([SECOND], [1024], 2);
  expect(host.push(frame as Uint8Array).error).toContain("MAX_FUNCTIONS");
});

it("balances such a record in a plugin without functions, and dumps the slot", async () => {
  const host = await WasmHost.load(PLUGIN);
  host.pushAll(snapshotWith([SECOND], [7]));
  expect(answers(host)).toHaveLength(5);
  const { upserts } = decodeFrame(host.request("GET", "/v1/dump").body);
  expect(upserts.map(({ functionSlot }) => functionSlot)).toEqual([7]);
});

it("shows the function numbers of its backends and of the connection", async () => {
  const last2Bits = (name: string, ...given: number[]): HandWritten => ({
    api: [name],
    functions: [{ code: [...given.flatMap(i32), OP.call, 0, ...i32(3), OP.i32And] }],
  });
  const low = (whose: number): HandWritten => ({
    api: ["addressLow"],
    functions: [{ code: [...i32(whose), OP.call, 0, I32_WRAP_I64, ...i32(255), OP.i32And] }],
  });
  const host = await hostWith(
    asks("length"),
    last2Bits("port", 0),
    low(2),
    low(-1),
    low(-2),
    asks("any"),
    asks("random", 2),
    asks("port", 250),
  );
  const many = frontend(1, { backends: backends(200) });
  const picked = (slot: number) => {
    host.pushAll(snapshotWith([many], [slot], slot + 1));
    const { backend = "" } = host.connect(AT, { source: "10.1.1.10:40000" });
    return many.backends.findIndex((each) => backendText(each) === backend);
  };
  // length is one too many, so balancing picks.
  expect(host.counters.get("portico_function_failures_total") ?? 0).toBe(0);
  picked(0);
  expect(host.counter("function_failures")).toBe(1);
  expect([1, 2, 3, 4, 7].map(picked)).toEqual([8080 & 3, 3, 10, 1, 0]);
  expect(picked(5)).toBeGreaterThanOrEqual(0);
  expect(picked(6)).toBeLessThan(2);
});

it("finds a backend by its address, and one by a hash", async () => {
  const found = (address: bigint, port: number): HandWritten => ({
    api: ["find"],
    functions: [{ code: [...i64(0n), ...i64(address), ...i32(port), OP.call, 0] }],
  });
  const hash = (value: number): HandWritten => asks("byHash", value);
  const host = await hostWith(
    found(0xffff_0a01_0003n, 0),
    found(0xffff_0a01_0003n, 8080),
    found(0xffff_0a01_0003n, 80),
    hash(7),
  );
  const picked = (slot: number, of = SECOND) => {
    host.pushAll(snapshotWith([of], [slot], picks++));
    return answers(host);
  };
  let picks = 1;
  expect(picked(0)).toEqual(["10.1.0.3:8080"]);
  expect(picked(1)).toEqual(["10.1.0.3:8080"]);
  expect(picked(2)).toHaveLength(5);
  const [first] = picked(3);
  const others = SECOND.backends.filter((each) => backendText(each) !== first);
  const fewer = others.slice(1).concat(SECOND.backends.filter((each) => !others.includes(each)));
  const sorted = SECOND.backends.filter((each) => fewer.includes(each));
  expect(picked(3, { ...SECOND, backends: sorted })).toEqual([first]);
});

it("counts the open connections of backends, over all workers", async () => {
  let now = 1_000_000_000_000n;
  const open = linked(fixed(1), asks("open", 1));
  const host = await WasmHost.load(open.wasm, { workers: 2, steadyNow: () => now });
  host.pushAll(snapshotWith([SECOND], [0]));
  const held = [0, 1, 1].map((worker) => host.open(AT, { worker }));
  now += 2_000_000_000n;
  host.tick();
  host.pushAll(snapshotWith([SECOND], [1], 2));
  expect([0, 1].map((worker) => host.connect(AT, { worker }).backend)).toEqual([
    "10.1.0.4:8080",
    "10.1.0.4:8080",
  ]);
  for (const { end } of held) end();
});

it("keeps state for each Service of a function", async () => {
  const counts: HandWritten = {
    api: ["state"],
    functions: [
      {
        code: [
          ...[OP.call, 0, OP.call, 0, OP.i32Load, 2, 0, ...i32(1), OP.i32Add, OP.i32Store, 2, 0],
          ...[OP.call, 0, OP.i32Load, 2, 0, ...i32(3), OP.i32And],
        ],
      },
    ],
  };
  const host = await hostWith(counts);
  const other = frontend(2, { backends: backends(5, 2) });
  host.pushAll(snapshotWith([SECOND, other], [0, 0]));
  const picked = (destination: string) => host.connect(destination).backend;
  expect([AT, AT, "10.96.0.2:80", AT].map(picked)).toEqual([
    "10.1.0.2:8080",
    "10.1.0.3:8080",
    "10.2.0.2:8080",
    "10.1.0.4:8080",
  ]);
});

it("works for IPv6, and in either list's VM", async () => {
  const host = await hostWith(fixed(1));
  const one = (last: number) => ({ address: `fd00:1::${last}`, port: 80, local: true });
  const six = frontend(1, { address: "fd00::a", backends: [one(1), one(2), one(3)] });
  host.pushAll(snapshotWith([six], [0]));
  expect(answers(host, "[fd00::a]:80")).toEqual(["[fd00:1:0:0:0:0:0:2]:80"]);
});

it("does not pick again what the connection has tried", async () => {
  const host = await hostWith(fixed(3));
  host.pushAll(snapshotWith([SECOND], [0]));
  const open = host.open(AT, { waits: true });
  expect(open.connected.backend).toBe("10.1.0.4:8080");
  open.envoy.fail();
  host.tick();
  expect(open.envoy.next).not.toBe("10.1.0.4:8080");
  open.end();
});

it("leaves a record's other fields alone", () => {
  const [with7, without] = [recordWith(SECOND, 7), recordWith(SECOND, undefined)];
  expect(with7).toHaveLength(without.length);
  const different = [...with7.keys()].filter((index) => with7[index] !== without[index]);
  expect(different).toEqual([50]);
});

function i64(value: bigint): number[] {
  const bytes: number[] = [OP.i64Const];
  let rest = value;
  for (;;) {
    const byte = Number(rest & 0x7fn);
    rest >>= 7n;
    if (rest === 0n && (byte & 0x40) === 0) return [...bytes, byte];
    bytes.push(byte | 0x80);
  }
}
