// Rules of the table: frames in, what they change, what is refused.

import { deltaFrame } from "../../controller/wire/frames.ts";
import { keyBytesFromFrontend } from "../../controller/wire/key.ts";
import { MAX_BACKENDS } from "../../plugin/wire/layout.ts";
import type { WasmHost } from "../wasm/host.ts";
import { backends, backendText, frontend, record, snapshot } from "../wasm/table-fixtures.ts";
import { Broken, expectSame, type Rule } from "./rule.ts";
import { dumpOf, expectTable, objectIn, push, versionOf } from "./table.ts";

const LONG = frontend(2, { backends: backends(300) });
const SPLIT = frontend(3, { backends: backends(6), localBackends: backends(6).slice(0, 1) });
const EMPTY = frontend(4, { backends: [] });
const V6 = frontend(5, {
  address: "fd00:96::a",
  backends: [{ address: "fd00:1::b", port: 65_535, local: false }],
});
const TABLE = [frontend(1), LONG, SPLIT, EMPTY, V6];
const NO_CHANGE = { upserts: [], removals: [] };

function expectVersion(host: WasmHost, when: string, version: number): void {
  expectSame(`the table's version ${when}`, versionOf(host).version, version);
}

function expectRefused(host: WasmHost, what: string, frame: Uint8Array, status: number): void {
  const answer = host.request("POST", "/v1/frames", frame);
  expectSame(`the status of ${what}`, answer.status, status);
  const { error, version } = objectIn(what, answer);
  if (typeof error !== "string" || error === "") throw new Broken(`${what} gets no "error"`);
  if (status !== 409) return;
  expectSame(`"version" in the answer to ${what}`, version, versionOf(host).version);
}

/** Frames of which a byte, or more, is wrong; by what is wrong. */
function wrongFrames(version: number): [string, Uint8Array][] {
  const [whole] = snapshot(TABLE, version) as [Uint8Array];
  const changed = (at: number, ...bytes: number[]) => {
    const copy = Uint8Array.from(whole);
    copy.set(bytes, at);
    return copy;
  };
  return [
    ["an empty frame", new Uint8Array(0)],
    ["bytes that are no frame", new Uint8Array(1000).fill(0x61)],
    ["a frame of another magic number", changed(0, 0)],
    ["a frame of another wire version", changed(4, 0xff)],
    ["a frame of an unknown kind", changed(6, 9)],
    ["a snapshot's frame of no bucket", changed(28, 0, 0, 0, 0)],
    ["a frame that names a record more than it has", changed(32, TABLE.length + 2)],
    ["a frame that names 2^32 - 1 records", changed(32, 255, 255, 255, 255)],
    ["a record that names more bytes than there are", changed(40, 255, 255, 255, 255)],
    ["a record that names 2^32 - 1 backends", changed(68, 255, 255, 255, 255)],
    ["a key of no family", changed(44, 5)],
    ...[1, 39, 40, 41, 100, whole.length - 1].map((bytes): [string, Uint8Array] => [
      `a frame cut off after ${bytes} bytes`,
      whole.subarray(0, bytes),
    ]),
  ];
}

/** Bytes of a frame, some of them changed by chance, the same each time. */
function* noise(times: number): Generator<Uint8Array> {
  const [whole] = snapshot(TABLE, 9) as [Uint8Array];
  let state = 1;
  const next = (limit: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  for (let i = 0; i < times; i++) {
    const copy = Uint8Array.from(whole.subarray(0, whole.length - next(2) * next(100)));
    for (let j = next(4); j >= 0; j--) copy[next(Math.min(copy.length, 400))] = next(256);
    yield copy;
  }
}

export const TABLE_RULES: readonly Rule[] = [
  {
    name: "has no table, version 0, before the first push",
    otherwise: "the controller takes a table for pushed that is not there",
    async judge(trial) {
      expectVersion(await trial.host(), "before the first push", 0);
    },
  },
  {
    name: "takes a snapshot, in one frame or in many",
    otherwise: "the node serves nothing",
    isGround: true,
    async judge(trial) {
      for (const frameBytes of [128 * 1024, 1]) {
        const host = await trial.host();
        const frames = snapshot(TABLE, 7, frameBytes);
        const what = `a snapshot in ${frames.length === 1 ? "one frame" : "many frames"}`;
        push(host, what, frames);
        expectVersion(host, `after ${what}`, 7);
      }
    },
  },
  {
    name: "takes a frame whose body arrives in pieces",
    otherwise: "only small tables arrive: Envoy hands over what a socket's buffer has",
    async judge(trial) {
      const host = await trial.host();
      push(host, "a frame in pieces of 100 bytes", snapshot(TABLE, 7), { partBytes: 100 });
      expectVersion(host, "after a frame in pieces", 7);
    },
  },
  {
    name: "takes a delta: what it changes and removes, and no more",
    otherwise: "connections go to backends that are gone",
    async judge(trial) {
      const host = await trial.host();
      push(host, "a snapshot", snapshot(TABLE, 7));
      const changed = { ...frontend(1), backends: backends(1, 9) };
      const removals = [keyBytesFromFrontend(LONG)];
      const delta = { upserts: [record(changed)], removals };
      push(host, "a delta", [deltaFrame(delta, 7, 8)]);
      expectVersion(host, "after a delta", 8);
      expectSame(
        "a connection to a changed frontend",
        host.connect("10.96.0.1:80").backend,
        "10.9.0.1:8080",
      );
      expectSame(
        "a connection to a removed frontend",
        host.connect("10.96.0.2:80").backend,
        undefined,
      );
      const { backend = "" } = host.connect("10.96.0.3:80");
      const kept = SPLIT.backends.map(backendText);
      if (!kept.includes(backend))
        throw new Broken("a frontend that a delta leaves out is changed");
    },
  },
  {
    name: "refuses with 409 what does not follow the table, and names its version",
    otherwise: "after a lost push the table differs from the cluster, and nothing notices",
    async judge(trial) {
      const host = await trial.host();
      const onNothing = "a delta where there is no table";
      expectRefused(host, onNothing, deltaFrame(NO_CHANGE, 1, 2), 409);
      push(host, "a snapshot", snapshot(TABLE, 7));
      expectRefused(host, "a delta on an older version", deltaFrame(NO_CHANGE, 6, 7), 409);
      expectRefused(host, "a delta on a newer version", deltaFrame(NO_CHANGE, 8, 9), 409);
      const second = snapshot(TABLE, 9, 1)[1] as Uint8Array;
      expectRefused(host, "a snapshot's second frame without its first", second, 409);
      expectVersion(host, "after all that was refused", 7);
    },
  },
  {
    name: "refuses with 400 what is no frame, says why, and applies nothing of it",
    otherwise: "a controller of another version can ruin a table that serves",
    async judge(trial) {
      const host = await trial.host();
      push(host, "a snapshot", snapshot(TABLE, 7));
      for (const [what, frame] of wrongFrames(8)) {
        expectRefused(host, what, frame, 400);
        expectVersion(host, `after ${what}`, 7);
      }
      expectTable(host, TABLE);
    },
  },
  {
    name: "does not trap on 2,000 damaged frames",
    otherwise: "Envoy drops the VM, and that worker serves nothing until it has another",
    async judge(trial) {
      const host = await trial.host();
      for (const frame of noise(2000)) host.request("POST", "/v1/frames", frame);
      host.close();
    },
  },
  {
    name: "gives back by GET /v1/dump what was pushed",
    otherwise: "a controller that starts cannot know what the table has",
    async judge(trial) {
      const host = await trial.host();
      push(host, "a snapshot", snapshot(TABLE, 7));
      expectSame("the version of the dump", dumpOf(host).version, 7);
      expectTable(host, TABLE);
    },
  },
  {
    name: `takes a frontend of ${MAX_BACKENDS} backends, the most there may be`,
    otherwise: "one large Service keeps the whole table from being pushed",
    async judge(trial) {
      const host = await trial.host();
      const large = frontend(1, { backends: backends(MAX_BACKENDS) });
      push(host, "a frontend of so many backends", snapshot([large], 7, 4 * 1024 * 1024));
      if (!host.connect("10.96.0.1:80").backend) throw new Broken("it gets no connection");
      expectSame(
        "its backends in the dump",
        dumpOf(host).records[0]?.backends.length,
        MAX_BACKENDS,
      );
    },
  },
  {
    name: "has on all workers what one of them took",
    otherwise: "connections on other workers go by an old table, or by none",
    async judge(trial) {
      const host = await trial.host({ workers: 3 });
      push(host, "a snapshot", snapshot([frontend(1, { backends: backends(1) })], 7));
      for (const worker of [0, 1, 2]) {
        const { version } = versionOf(host, { worker });
        expectSame(`the table's version on worker ${worker}`, version, 7);
        const { backend } = host.connect("10.96.0.1:80", { worker });
        expectSame(`the backend of a connection on worker ${worker}`, backend, "10.1.0.1:8080");
      }
      const empty = { upserts: [record(frontend(1, { backends: [] }))], removals: [] };
      push(host, "a delta to another worker", [deltaFrame(empty, 7, 8)], { worker: 2 });
      expectSame(
        "a connection on worker 0 after it",
        host.connect("10.96.0.1:80").backend,
        undefined,
      );
    },
  },
];
