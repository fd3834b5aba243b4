// Functions from a folder to connections, with real Envoy: a Service's annotation chooses one, its
// connections obey, another version takes over, a fault harms nobody, and without the file the
// Service is balanced.

import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { OP } from "../../controller/linker/opcodes.ts";
import { eventually } from "../eventually.ts";
import { handWritten, i32 } from "../functions/wat.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import { nodeObject, PorticoProcess, serviceObjects } from "./portico-fixture.ts";

const PODS = ["web-1", "web-2", "web-3"];
const WEB = "10.96.0.10";
const NEIGHBOUR = "10.96.0.20";

const FAILS =
  "function faulty fails: it ran out of memory, or reached code that must not be reached; " +
  "balancing picks in its place";

let cluster: Cluster;
let node: ClusterNode;
let portico: PorticoProcess;
let folder: string;
/** Of the Pods, in the order of their addresses. */
let inOrder: string[];

function annotated(annotations: Record<string, string>) {
  const endpoints = PODS.map((name) => node.pod(name).address);
  const [service, ...slices] = serviceObjects({ name: "web", clusterIP: WEB, endpoints });
  const { metadata } = service as { metadata: object };
  const chosen = { ...service, metadata: { ...metadata, annotations } };
  const neighbour = serviceObjects({ name: "neighbour", clusterIP: NEIGHBOUR, endpoints });
  portico.write([nodeObject("node-1", node.address), chosen, ...slices, ...neighbour]);
}

/** As kubectl or the kubelet would: a whole file at once. */
function put(name: string, code: readonly number[]): void {
  const file = join(folder, `${name}.wasm`);
  writeFileSync(`${file}.new`, handWritten({ functions: [{ code }] }));
  renameSync(`${file}.new`, file);
}

beforeAll(async () => {
  folder = mkdtempSync("/run/portico-functions-");
  const pods = { client: "auto", ...Object.fromEntries(PODS.map((name) => [name, "auto"])) };
  ({ cluster, node } = await makeNode({ name: "node-1", pods }));
  for (const name of PODS) await node.pod(name).serve({ tcp: 8080 });
  const bytes = (name: string) => node.pod(name).address.split(".").map(Number);
  inOrder = PODS.toSorted((one, other) =>
    Buffer.compare(Buffer.from(bytes(one)), Buffer.from(bytes(other))),
  );
  portico = new PorticoProcess(node);
  put("fixed", i32(1));
  annotated({ "portico.dev/pick": "fixed" });
  await portico.start(["--functions", folder]);
  await portico.synced(30_000);
});
afterAll(async () => {
  await portico?.close();
  await cluster?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function answered(address: string, tries = 30): Promise<string[]> {
  const results = await (await node.pod("client").dialer()).dial(address, 80, { tries });
  expect([...new Set(results.map(({ outcome }) => outcome))]).toEqual(["answered"]);
  return [...new Set(results.map(({ name }) => name ?? ""))].sort();
}

/** Waits until connections go to exactly these, none failing meanwhile. */
async function goTo(names: readonly string[]): Promise<void> {
  let last: string[] = [];
  const wanted = names.toSorted();
  await eventually(
    `connections to ${wanted}`,
    10_000,
    async () => {
      last = await answered(WEB);
      return last.join() === wanted.join();
    },
    () => [...last, ...portico.log.split("\n").slice(-8)],
  );
}

async function problems(): Promise<string[]> {
  return (await portico.status()).problems.map(({ message }) => message);
}

it("obeys the function that the Service chooses, and then its next version", async () => {
  await goTo([inOrder[1] as string]);
  expect(await answered(NEIGHBOUR, 60)).toEqual(PODS);
  put("fixed", i32(2));
  await goTo([inOrder[2] as string]);
  expect(await problems()).toEqual([]);
});

it("balances where the function always fails, and its neighbour notices nothing", async () => {
  put("faulty", [OP.unreachable]);
  annotated({ "portico.dev/pick": "faulty" });
  await goTo(PODS);
  expect(await answered(NEIGHBOUR, 60)).toEqual(PODS);
  const explained = await portico.command("explain", `${WEB}:80`);
  expect(explained.stdout).toMatch(/function +faulty, version [0-9a-f]{12}/);
  await eventually("the failure", 20_000, async () => {
    await answered(WEB);
    return (await problems()).includes(FAILS);
  });
});

it("says why a function is not there, or refused, and balances", async () => {
  annotated({ "portico.dev/pick": "absent" });
  await eventually("a problem", 10_000, async () =>
    (await problems()).join().includes("absent.wasm"),
  );
  await goTo(PODS);
  writeFileSync(join(folder, "broken.wasm"), "no module");
  annotated({ "portico.dev/pick": "broken" });
  await eventually("a problem", 10_000, async () =>
    (await problems()).join().includes("not a WebAssembly module"),
  );
  await goTo(PODS);
});

it("keeps the function over restart and replacement, and ends it with its file", async () => {
  annotated({ "portico.dev/pick": "fixed" });
  await goTo([inOrder[2] as string]);
  await portico.end("SIGTERM");
  expect(await answered(WEB)).toEqual([inOrder[2]]);
  await portico.start(["--functions", folder]);
  await portico.synced(30_000);
  expect(await answered(WEB)).toEqual([inOrder[2]]);
  const replaced = await portico.command("envoy", "replace");
  expect([replaced.code, replaced.stderr]).toEqual([0, ""]);
  expect(await answered(WEB)).toEqual([inOrder[2]]);
  rmSync(join(folder, "fixed.wasm"));
  await goTo(PODS);
  expect((await problems()).join()).toContain("has no fixed.wasm");
});
