// What keeps `portico run` from starting: it says so and ends, so that whoever started it can do so
// again, and it leaves nothing behind that would answer for a node it does not serve.

import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import { nodeObject, PorticoProcess } from "./portico-fixture.ts";

let cluster: Cluster;
let node: ClusterNode;
let portico: PorticoProcess;

beforeAll(async () => {
  ({ cluster, node } = await makeNode({ name: "node-1", pods: {} }));
});
afterAll(() => cluster.close());
beforeEach(() => {
  portico = new PorticoProcess(node);
  portico.write([nodeObject("node-1", node.address)]);
});
afterEach(() => portico.close());

const SOON = { timeout: 10_000 };

async function sockets(): Promise<string[]> {
  const names = ["xds.sock", "control.sock"];
  return names.filter((name) => existsSync(join(portico.runDirectory, name)));
}

it("no Envoy: ends, after it had listened", SOON, async () => {
  await portico.start([], { ENVOY: "/nowhere/envoy" });
  expect(await portico.ended()).toBe(1);
  expect(portico.log).toContain("ENVOY is /nowhere/envoy, which is no file that can be executed");
  expect(await sockets()).toEqual([]);
});

it("no plugin: ends", SOON, async () => {
  await portico.start(["--plugin", "/nowhere/plugin.wasm"]);
  expect(await portico.ended()).toBe(1);
  expect(portico.log).toContain("no plugin at /nowhere/plugin.wasm");
});

it("a plugin that is none: ends, and names the file", SOON, async () => {
  const file = join(portico.manifests, "plugin.wasm");
  writeFileSync(file, "hello");
  await portico.start(["--plugin", file]);
  expect(await portico.ended()).toBe(1);
  expect(portico.log).toContain(`${file}: it is not a WebAssembly module`);
});

it("a run directory too long for sockets: ends, and says how long is too long", SOON, async () => {
  const long = join(portico.manifests, "x".repeat(100));
  await portico.start(["--run-dir", long]);
  expect(await portico.ended()).toBe(1);
  expect(portico.log).toContain("107 bytes");
  expect(portico.log).toContain("--run-dir");
});
