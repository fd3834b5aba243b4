// The local list of a frontend beside its cluster list: who gets which, and that each is changed
// without the other.

import { beforeEach, expect, it } from "vitest";
import { decodeFrame } from "../../controller/wire/decode.ts";
import { deltaFrame } from "../../controller/wire/frames.ts";
import { keyBytesFromFrontend } from "../../controller/wire/key.ts";
import { notEmpty } from "../not-empty.ts";
import { WasmHost } from "./host.ts";
import {
  backends,
  backendText,
  frontend,
  localRecord,
  PLUGIN,
  snapshot,
} from "./table-fixtures.ts";

let host: WasmHost;
beforeEach(async () => {
  host = await WasmHost.load(PLUGIN, { workers: 2 });
});

const BOTH = frontend(1, { backends: backends(5, 1), localBackends: backends(2, 2) });
const AT = "10.96.0.1:80";

/** Everybody who answers, in order; or why nobody does. */
function answers(list: "cluster" | "local", destination = AT): string[] {
  const all = Array.from({ length: 100 }, (_, index) => {
    const { backend, closed } = host.connect(destination, { list, worker: index % 2 });
    return backend ?? closed;
  });
  return [...new Set(all)].sort();
}

function push(base: number, upserts: Uint8Array[], removals: Uint8Array[]): void {
  host.pushAll([deltaFrame({ upserts, removals }, base, base + 1)]);
}

it("is picked from in the VM that is its own, and only there", () => {
  host.pushAll(snapshot([BOTH, frontend(2)], 1));
  expect(answers("cluster")).toEqual(BOTH.backends.map(backendText));
  expect(answers("local")).toEqual(BOTH.localBackends.map(backendText));
  expect(answers("local", "10.96.0.2:80")).toEqual(["unknown-frontend"]);
});

it("is there for IPv6 too", () => {
  const one = (last: number) => [{ address: `fd00:1::${last}`, port: 80, local: true }];
  const own = { address: "fd00::a", backends: one(1), localBackends: one(2) };
  host.pushAll(snapshot([frontend(1, own)], 1));
  expect(answers("cluster", "[fd00::a]:80")).toEqual(["[fd00:1:0:0:0:0:0:1]:80"]);
  expect(answers("local", "[fd00::a]:80")).toEqual(["[fd00:1:0:0:0:0:0:2]:80"]);
});

it("comes, changes and goes without the cluster list", () => {
  host.pushAll(snapshot([{ ...BOTH, localBackends: [] }], 1));
  expect(answers("local")).toEqual(["unknown-frontend"]);
  push(1, [localRecord(BOTH)], []);
  expect(answers("local")).toEqual(BOTH.localBackends.map(backendText));
  const long = { ...BOTH, localBackends: backends(400, 3) };
  push(2, [localRecord(long)], []);
  for (const text of notEmpty(answers("local"), "answers")) expect(text).toMatch(/^10\.3\./);
  push(3, [localRecord({ ...BOTH, localBackends: [] })], []);
  expect(answers("local")).toEqual(["no-backend"]);
  push(4, [], [keyBytesFromFrontend(BOTH, "local")]);
  expect(answers("local")).toEqual(["unknown-frontend"]);
  expect(answers("cluster")).toEqual(BOTH.backends.map(backendText));
});

it("is left when the cluster list goes", () => {
  host.pushAll(snapshot([BOTH], 1));
  push(1, [], [keyBytesFromFrontend(BOTH)]);
  expect(answers("cluster")).toEqual(["unknown-frontend"]);
  expect(answers("local")).toEqual(BOTH.localBackends.map(backendText));
});

it("is dumped as a record of its own", () => {
  host.pushAll(snapshot([BOTH], 1));
  const { upserts } = decodeFrame(host.request("GET", "/v1/dump").body);
  const lists = new Map(upserts.map(({ list, backends: of }) => [list, of]));
  expect(lists.get("cluster")).toEqual(BOTH.backends);
  expect(lists.get("local")).toEqual(BOTH.localBackends);
});
