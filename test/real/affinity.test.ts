// Session affinity on real Envoy, with its own clock: two clients, one Service, and what is changed
// about it while it lives.

import { writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runPaths, shippedPlugin } from "../../controller/config/run-options.ts";
import { TableClient } from "../../controller/table/client.ts";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import type { Dialer } from "../namespaces/dialer.ts";
import {
  nodeObject,
  PorticoProcess,
  type ServiceSketch,
  serviceObjects,
} from "./portico-fixture.ts";
import { withOtherBuild } from "./test-plugins.ts";

const VIP = "10.96.0.10";
const NODE_PORT = 30080;
const BACKENDS = { "web-1": "10.1.1.21", "web-2": "10.1.1.22", "web-3": "10.1.1.23" };

let cluster: Cluster;
let node: ClusterNode;
let portico: PorticoProcess;
let table: TableClient;
let clients: Dialer[];

beforeAll(async () => {
  const pods = { "client-1": "10.1.1.10", "client-2": "10.1.1.11", ...BACKENDS };
  ({ cluster, node } = await makeNode({ name: "node-1", pods }));
  await Promise.all(Object.keys(BACKENDS).map((name) => node.pod(name).serve({ tcp: 8080 })));
  clients = await Promise.all(["client-1", "client-2"].map((name) => node.pod(name).dialer()));
  portico = new PorticoProcess(node);
  table = new TableClient(runPaths(portico.runDirectory).tableSocket);
  writeService({ affinityTimeoutSeconds: 600 });
  await portico.start(["--service-cidr", "10.96.0.0/16"]);
  await portico.synced();
  await inTable(600, 3);
});
afterAll(async () => {
  table?.close();
  await portico?.close();
  await cluster?.close();
});

function writeService(own: Partial<ServiceSketch>): void {
  const endpoints = Object.values(BACKENDS);
  const web = { name: "web", clusterIP: VIP, nodePort: NODE_PORT, endpoints, ...own };
  portico.write([nodeObject("node-1", node.address), ...serviceObjects(web)]);
}

/** Waits until the data plane has the Service with this timeout and so many backends. */
async function inTable(timeoutSeconds: number, backendCount: number): Promise<void> {
  await eventually(`timeout ${timeoutSeconds}, ${backendCount} backends`, 5_000, async () => {
    const { records } = await table.dump();
    const isSo = records.map(({ affinityTimeoutSeconds, backends }) => {
      return affinityTimeoutSeconds === timeoutSeconds && backends.length === backendCount;
    });
    return isSo.length > 0 && isSo.every((each) => each);
  });
}

async function names(client: number, at = VIP, port = 80, tries = 15): Promise<string[]> {
  const results = await (clients[client] as Dialer).dial(at, port, { tries });
  expect(results.map(({ outcome }) => outcome)).toEqual(Array(tries).fill("answered"));
  return [...new Set(results.map(({ name }) => name))];
}

/** The one backend that a client always gets. */
async function only(client: number, at = VIP, port = 80): Promise<string> {
  const seen = await names(client, at, port);
  expect(seen).toHaveLength(1);
  return seen[0] as string;
}

it("keeps each client with its backend, at whichever address of the Service", async () => {
  for (const client of [0, 1]) {
    const backend = await only(client);
    expect(await only(client, node.address, NODE_PORT)).toBe(backend);
    expect(await only(client)).toBe(backend);
  }
});

it("survives a new plugin", async () => {
  const before = [await only(0), await only(1)];
  const file = join(portico.runDirectory, "next.wasm");
  writeFileSync(file, withOtherBuild(await readFile(shippedPlugin()), "next"));
  const { code, stderr } = await portico.command("plugin", "load", file);
  expect(code, stderr).toBe(0);
  expect([await only(0), await only(1)]).toEqual(before);
});

it("forgets a backend that is gone, and settles elsewhere", async () => {
  const gone = (await only(0)) as keyof typeof BACKENDS;
  const stays = await only(1);
  const { [gone]: _, ...rest } = BACKENDS;
  writeService({ affinityTimeoutSeconds: 600, endpoints: Object.values(rest) });
  await inTable(600, 2);
  const next = await only(0);
  expect(next).not.toBe(gone);
  if (stays !== gone) expect(await only(1)).toBe(stays);
  writeService({ affinityTimeoutSeconds: 600 });
  await inTable(600, 3);
  expect(await only(0)).toBe(next);
});

it("is switched off and on while the Service lives", async () => {
  writeService({});
  await inTable(0, 3);
  expect((await names(0, VIP, 80, 40)).length).toBeGreaterThan(1);
  writeService({ affinityTimeoutSeconds: 600 });
  await inTable(600, 3);
  await only(0);
  await only(1);
});

it("is over after its timeout", async () => {
  writeService({ affinityTimeoutSeconds: 1 });
  await inTable(1, 3);
  const seen = new Set(await names(0, VIP, 80, 1));
  for (let round = 0; round < 20 && seen.size === 1; round++) {
    // What is waited for is that nothing happens: each connection begins the time anew.
    await delay(1_100);
    for (const name of await names(0, VIP, 80, 1)) seen.add(name);
  }
  expect(seen.size).toBe(2);
});
