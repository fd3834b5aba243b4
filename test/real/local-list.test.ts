// The two lists of a frontend in a real Envoy: two filters with a VM each, one table, one reload.
// Nothing captures here: clients dial the listeners themselves, whose addresses are the frontends.

import { readFile } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { shippedPlugin } from "../../controller/config/run-options.ts";
import { TableClient } from "../../controller/table/client.ts";
import { buildOf } from "../../controller/xds/check-plugin.ts";
import { PluginDelivery } from "../../controller/xds/plugin-delivery.ts";
import type { PluginCode } from "../../controller/xds/resources.ts";
import type { XdsServer } from "../../controller/xds/server.ts";
import { DEFAULT_TCP_OPTIONS } from "../../controller/xds/tcp-options.ts";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import { frontend, records } from "../wasm/table-fixtures.ts";
import { EnvoyFixture, PORTS } from "./envoy-fixture.ts";
import { compileTestPlugin, withOtherBuild } from "./test-plugins.ts";

const CLUSTER_PORT = 9090;
const LOCAL_PORT = 9091;

let cluster: Cluster;
let node: ClusterNode;
let fixture: EnvoyFixture;
let xds: XdsServer;
let delivery: PluginDelivery;
let table: TableClient;

beforeAll(async () => {
  ({ cluster, node } = await makeNode({ name: "a" }));
  await node.serve({ tcp: [CLUSTER_PORT, LOCAL_PORT] });
});
afterAll(() => cluster.close());
beforeEach(async () => {
  fixture = await EnvoyFixture.make(node);
  const code = codeOf(await readFile(shippedPlugin()));
  xds = await fixture.serveAll(code);
  table = new TableClient(fixture.path("table.sock"));
  delivery = new PluginDelivery({
    xds,
    table,
    pushSnapshot: () => pushTable(),
    tcp: DEFAULT_TCP_OPTIONS,
  });
  await delivery.begin(code.wasm);
  await delivery.serve();
  await fixture.supervisor.start();
  const isThere = () =>
    table.version().then(
      () => true,
      () => false,
    );
  await eventually("the table endpoint", 5_000, isThere);
  await pushTable();
  for (const address of ["127.0.0.1", "::1"]) {
    await eventually(`listeners at ${address}`, 5_000, async () => {
      return isDeepStrictEqual(await answers(address), BY_LIST);
    });
  }
});
afterEach(async () => {
  table.close();
  await fixture.close();
  await xds.stop();
});

function codeOf(wasm: Uint8Array): PluginCode {
  return { build: buildOf(wasm), wasm };
}

/** Every capture port of both loopback addresses is a frontend with both lists. */
async function pushTable(): Promise<void> {
  const of = (address: string, port: number) => [{ address, port, local: true }];
  const frontends = ["127.0.0.1", "::1"].flatMap((address) =>
    Object.values(PORTS).map((port) =>
      frontend(port, {
        address,
        port,
        backends: of(address, CLUSTER_PORT),
        localBackends: of(address, LOCAL_PORT),
      }),
    ),
  );
  await table.pushSnapshot(frontends.flatMap(records));
}

/** The port of the backend that answers; "refused" and the like when none does. */
async function answer(address: string, port: number): Promise<number | string> {
  const dialer = await node.dialer();
  const { outcome, server } = await dialer.dialOnce(address, port, { timeoutMs: 2_000 });
  return outcome === "answered" ? Number(server.slice(server.lastIndexOf(":") + 1)) : outcome;
}

async function answers(address: string): Promise<Record<string, number | string>> {
  const asked = Object.entries(PORTS).map(async ([name, port]) => [
    name,
    await answer(address, port),
  ]);
  return Object.fromEntries(await Promise.all(asked));
}

const BY_LIST = {
  keep: CLUSTER_PORT,
  host: CLUSTER_PORT,
  masquerade: CLUSTER_PORT,
  local: LOCAL_PORT,
};

it.each(["127.0.0.1", "::1"])("are told apart by the listener, at %s", async (address) => {
  expect(await answers(address)).toEqual(BY_LIST);
  const next = withOtherBuild(await readFile(shippedPlugin()), "next");
  await delivery.load(next);
  expect(await table.version()).toMatchObject({ build: buildOf(next), frontends: 16 });
  expect(await answers(address)).toEqual(BY_LIST);
});

it("both get new code in one reload, without a connection that fails", async () => {
  const dialer = await node.dialer();
  const load = await dialer.load("127.0.0.1", PORTS.local, 4);
  await delivery.load(compileTestPlugin({ backend: `127.0.0.1:${CLUSTER_PORT}`, answers: true }));
  // The test's code knows no lists: whoever answers tells whose code it was.
  expect(await answers("127.0.0.1")).toEqual({ ...BY_LIST, local: CLUSTER_PORT });
  const { outcomes } = await load.stop();
  expect(Object.keys(outcomes)).toEqual(["answered"]);
});

async function picks(): Promise<number> {
  const { body } = await fixture.get("admin.sock", "/stats?filter=portico_picks_total");
  return Number(/portico_picks_total: (\d+)/.exec(body)?.[1]);
}

it("count into the same counters", async () => {
  const before = await picks();
  await answer("127.0.0.1", PORTS.keep);
  await answer("::1", PORTS.local);
  expect(await picks()).toBe(before + 2);
});
