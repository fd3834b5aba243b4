// What Envoy writes into its log file while the controller, which keeps that short, is away.

import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { askAdmin } from "../../envoy/admin.ts";
import { eventually } from "../eventually.ts";
import { type Cluster, makeNode } from "../namespaces/cluster.ts";
import { nodeObject, PorticoProcess } from "./portico-fixture.ts";

/** Tries of Envoy to reach the controller: about ten seconds of them. */
const TRIES = 12;

let cluster: Cluster;
let portico: PorticoProcess;

beforeAll(async () => {
  const { cluster: made, node } = await makeNode({ name: "node-1" });
  cluster = made;
  portico = new PorticoProcess(node);
  portico.write([nodeObject("node-1", node.address)]);
  await portico.start();
  await portico.synced(30_000);
});
afterAll(async () => {
  await portico?.close();
  await cluster?.close();
});

/** How often Envoy has tried in vain to connect to the controller. */
async function triesInVain(): Promise<number> {
  const path = "/stats?filter=^cluster.xds.upstream_cx_connect_fail$";
  const { body } = await askAdmin(join(portico.runDirectory, "admin.sock"), path);
  return Number(/: (\d+)/.exec(body)?.[1] ?? 0);
}

it("does not grow with each try to reach a controller that is gone", async () => {
  const file = join(portico.runDirectory, "envoy.log");
  await portico.end("SIGKILL");
  const tries = await triesInVain();
  const size = statSync(file).size;
  await eventually("Envoy tries again", 50_000, async () => (await triesInVain()) >= tries + TRIES);
  expect(readFileSync(file, "utf8").slice(size)).toBe("");
});
