// Functions from a folder into service, with a linker that is real and an Envoy that is not.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { handWritten, i32 } from "../../test/functions/wat.ts";
import { hostModule } from "../functions/host-module.ts";
import type { FunctionChoice, Problem } from "../model/types.ts";
import { DEFAULT_SETTINGS } from "../node/frontend-settings.ts";
import type { Frontend } from "../node/types.ts";
import { createLog } from "../observe/log.ts";
import { Functions } from "./functions.ts";

let directory: string;
let folder: string;
let problems: Problem[];
let happened: string[];
let rejection: string | undefined;
/** Modules that Envoy got. */
let loaded: Uint8Array[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "portico-functions-"));
  folder = mkdtempSync(join(directory, "functions-"));
  writeFileSync(join(directory, "plugin.wasm"), hostModule());
  problems = [];
  happened = [];
  loaded = [];
  rejection = undefined;
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function make(from: string | undefined = folder): Functions {
  return new Functions({
    folder: from,
    pluginFile: join(directory, "plugin.wasm"),
    slotsFile: join(directory, "functions.json"),
    log: createLog("error", { write: () => {} }),
    plugin: {
      loadFunctions: async (wasm) => {
        if (rejection) throw new Error(rejection);
        happened.push("loaded");
        loaded.push(wasm);
      },
    },
    changed: () => happened.push("changed"),
    report: (found) => {
      problems = found;
    },
  });
}

function put(name: string, answer: number): void {
  const wasm = handWritten({
    globals: [{ name: "share", initial: i32(1) }],
    functions: [{ code: i32(answer) }],
  });
  writeFileSync(join(folder, `${name}.wasm`), wasm);
}

function frontend(pick: FunctionChoice | undefined, service = "web"): Frontend {
  return {
    key: `10.96.0.1:80/${service}`,
    namespace: "shop",
    service,
    settings: { ...DEFAULT_SETTINGS, pick },
  } as unknown as Frontend;
}

const SPLIT: FunctionChoice = { name: "split", parameters: {} };

it("has records name a function that Envoy has, and its next version in another slot", async () => {
  put("split", 1);
  const functions = make();
  expect(await functions.begin()).toBeDefined();
  functions.viewChanged({ upserted: [frontend(SPLIT)], removed: [] });
  await functions.update();
  expect(happened.slice(0, 2)).toEqual(["loaded", "changed"]);
  expect(functions.slotOf(SPLIT)).toBe(0);
  put("split", 2);
  await functions.look();
  expect(functions.slotOf(SPLIT)).toBe(1);
  expect(problems).toEqual([]);
});

it("links, and asks Envoy, only where something is other than before", async () => {
  put("split", 1);
  const functions = make();
  await functions.begin();
  functions.viewChanged({ upserted: [frontend(SPLIT)], removed: [] });
  await functions.update();
  await functions.look();
  await functions.look();
  expect(happened).toEqual(["loaded", "changed"]);
  rejection = "Envoy does not want it";
  put("split", 2);
  await functions.look();
  rejection = undefined;
  await functions.look();
  expect(happened).toEqual(["loaded", "changed", "loaded", "changed"]);
  expect([functions.slotOf(SPLIT), problems]).toEqual([1, []]);
});

it("gives other parameters another slot, and refuses those that a function lacks", async () => {
  put("split", 1);
  const functions = make();
  await functions.begin();
  const share: FunctionChoice = { name: "split", parameters: { share: 5 } };
  const wrong: FunctionChoice = { name: "split", parameters: { shares: 5 } };
  const upserted = [frontend(SPLIT, "a"), frontend(share, "b"), frontend(wrong, "c")];
  functions.viewChanged({ upserted, removed: [] });
  await functions.update();
  expect([SPLIT, share, wrong].map((each) => functions.slotOf(each))).toEqual([0, 1, undefined]);
  expect(problems.map(({ object }) => object)).toEqual(["Service shop/c"]);
  expect(problems[0]?.message).toContain('it has no parameter "shares"');
});

it("leaves a Service on its balancing where the function is missing, or gone", async () => {
  put("other", 1);
  const functions = make();
  await functions.begin();
  functions.viewChanged({ upserted: [frontend(SPLIT)], removed: [] });
  await functions.update();
  expect(problems[0]?.message).toContain("has no split.wasm; it has: other; balancing applies");
  put("split", 1);
  await functions.look();
  expect([functions.slotOf(SPLIT), problems]).toEqual([0, []]);
  rmSync(join(folder, "split.wasm"));
  await functions.look();
  expect(functions.slotOf(SPLIT)).toBeUndefined();
  expect(problems).toHaveLength(1);
});

it("keeps what serves where Envoy refuses the next", async () => {
  put("split", 1);
  const functions = make();
  await functions.begin();
  functions.viewChanged({ upserted: [frontend(SPLIT)], removed: [] });
  await functions.update();
  rejection = "Envoy does not want it";
  put("split", 2);
  await functions.look();
  expect(functions.slotOf(SPLIT)).toBe(0);
  const message = `has another version that does not pick: ${rejection}; the one before does`;
  expect(problems[0]?.message).toContain(message);
});

it("goes on after a restart with the same slots and the same code", async () => {
  put("split", 1);
  put("other", 2);
  const first = make();
  await first.begin();
  const other: FunctionChoice = { name: "other", parameters: {} };
  first.viewChanged({ upserted: [frontend(other, "a"), frontend(SPLIT, "b")], removed: [] });
  await first.update();
  const second = make();
  const begun = await second.begin();
  expect(Buffer.from(begun ?? []).equals(Buffer.from(loaded.at(-1) ?? []))).toBe(true);
  expect([other, SPLIT].map((each) => second.slotOf(each))).toEqual([0, 1]);
});

it("says of a node without functions that it takes none", async () => {
  const functions = new Functions({
    folder: undefined,
    pluginFile: "/nowhere",
    slotsFile: "/nowhere",
    log: createLog("error", { write: () => {} }),
    plugin: { loadFunctions: () => Promise.reject(new Error("never")) },
    changed: () => happened.push("changed"),
    report: (found) => {
      problems = found;
    },
  });
  expect(await functions.begin()).toBeUndefined();
  functions.viewChanged({ upserted: [frontend(SPLIT)], removed: [] });
  await functions.update();
  expect(problems[0]?.message).toContain("--functions");
});
