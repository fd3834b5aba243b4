// `portico run --watch-plugin`, in a copy of the checkout: saving a source puts it into service.

import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import { nodeObject, PorticoProcess, serviceObjects } from "./portico-fixture.ts";

const CHECKOUT = join(import.meta.dirname, "../..");
const SOURCE = "plugin/pick/chance.ts";
const PICK = "export function below(limit: u32): u32 {\n";
const COMPILE_MS = 30_000;

let cluster: Cluster;
let node: ClusterNode;
let portico: PorticoProcess;
let copy: string;

beforeAll(async () => {
  copy = mkdtempSync("/run/portico-copy-");
  for (const part of ["plugin", "controller", "envoy", "build", "asconfig.json", "package.json"]) {
    cpSync(join(CHECKOUT, part), join(copy, part), { recursive: true });
  }
  symlinkSync(join(CHECKOUT, "node_modules"), join(copy, "node_modules"));
  const pods = { client: "auto", "web-1": "auto", "web-2": "auto" };
  ({ cluster, node } = await makeNode({ name: "node-1", pods }));
  const endpoints = ["web-1", "web-2"].map((name) => node.pod(name).address);
  await node.pod("web-1").serve({ tcp: 8080 });
  await node.pod("web-2").serve({ tcp: 8080 });
  portico = new PorticoProcess(node, undefined, copy);
  const service = serviceObjects({ name: "web", clusterIP: "10.96.0.10", endpoints });
  portico.write([nodeObject("node-1", node.address), ...service]);
  await portico.start(["--watch-plugin"]);
  await portico.synced();
});
afterAll(async () => {
  await portico?.close();
  await cluster?.close();
  rmSync(copy, { recursive: true, force: true });
});

async function answered(tries: number): Promise<Set<string>> {
  const results = await (await node.pod("client").dialer()).dial("10.96.0.10", 80, { tries });
  expect([...new Set(results.map(({ outcome }) => outcome))]).toEqual(["answered"]);
  return new Set(results.map(({ name }) => name));
}

function save(text: string): void {
  writeFileSync(join(copy, SOURCE), text);
}

it("compiles and loads a saved source, and reports one that does not compile", async () => {
  expect(await answered(40)).toEqual(new Set(["web-1", "web-2"]));
  const { build } = (await portico.status()).plugin;
  const source = readFileSync(join(copy, SOURCE), "utf8");
  expect(source).toContain(PICK);

  save(source.replace(PICK, `${PICK}  if (limit > 0) return 0;\n`));
  await eventually("another build in service", COMPILE_MS, async () => {
    return (await portico.status()).plugin.build !== build;
  });
  expect(await answered(20)).toEqual(new Set(["web-1"]));

  save(source.replace(PICK, `${PICK}  return nonsense;\n`));
  await eventually("the compiler's words in the log", COMPILE_MS, async () => {
    return portico.log.includes("nonsense");
  });
  expect(await answered(20)).toEqual(new Set(["web-1"]));

  save(source);
  await eventually("the first build again", COMPILE_MS, async () => {
    return (await portico.status()).plugin.build === build;
  });
  expect(await answered(40)).toEqual(new Set(["web-1", "web-2"]));
}, 120_000);
