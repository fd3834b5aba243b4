// What keeps `portico run` from starting: it says so and ends, so that whoever started it can do so
// again, and it leaves nothing behind that would answer for a node it does not serve.

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import { runCommand } from "../namespaces/command.ts";
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
  expect(portico.log).toContain("ENVOY is /nowhere/envoy, which is not an executable file");
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

it("no cluster to ask: ends, and says what to give", SOON, async () => {
  const { code, stderr } = await portico.command("run", "--node-name", "node-1");
  expect(code).toBe(1);
  expect(stderr).toContain("Not running in a Pod with a service account");
  expect(stderr).toContain("Use --kubeconfig FILE or --manifests DIR.");
});

it("an Envoy that ends at once: how it ended is in the log", SOON, async () => {
  await portico.start([], { ENVOY: "/bin/false" });
  await eventually("the death in the log", 5_000, async () => portico.log.includes("Envoy exited"));
  expect(portico.log).toContain('"ended":"exit code 1"');
});

it("a full disk: ends, and names the file", SOON, async () => {
  const small = ["-t", "tmpfs", "-o", "size=4k", "portico-test", portico.runDirectory];
  mkdirSync(portico.runDirectory);
  await runCommand("mount", small);
  try {
    writeFileSync(join(portico.runDirectory, "fill"), "x".repeat(4096));
    await portico.start();
    expect(await portico.ended()).toBe(1);
    expect(portico.log).toMatch(/cannot start Envoy: .*envoy.json: ENOSPC/);
  } finally {
    await runCommand("umount", [portico.runDirectory]);
  }
});

it("no Envoy, asked for its Services: says who is not there", SOON, async () => {
  const { code, stderr } = await portico.command("services");
  expect(code).toBe(1);
  expect(stderr).toContain("no Envoy answers on");
  expect(stderr).toContain("--run-dir");
  expect((await portico.command("services", "-o", "yaml")).stderr).toContain("choices are json");
});
