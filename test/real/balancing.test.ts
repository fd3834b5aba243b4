// Balancings on real Envoy with two workers: what depends on Envoy itself, such as its ticks, its
// shared data, and the addresses of clients. How they distribute is tested in test/wasm.

import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runPaths } from "../../controller/config/run-options.ts";
import { TableClient } from "../../controller/table/client.ts";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import type { Dialer } from "../namespaces/dialer.ts";
import { nodeObject, PorticoProcess, serviceObjects } from "./portico-fixture.ts";

const VIP = "10.96.0.10";
const NODE_PORT = 30080;
const BACKENDS = { "web-1": "10.1.1.21", "web-2": "10.1.1.22", "web-3": "10.1.1.23" };
/** Counts are written a second after they change, and read again after another. */
const TOLD_MS = 2_500;

let cluster: Cluster;
let node: ClusterNode;
let portico: PorticoProcess;
let table: TableClient;
let clients: Dialer[];

beforeAll(async () => {
  const own = Array.from({ length: 4 }, (_, index) => [`client-${index}`, `10.1.1.${10 + index}`]);
  const pods = { ...(Object.fromEntries(own) as Record<string, string>), ...BACKENDS };
  ({ cluster, node } = await makeNode({ name: "node-1", pods }));
  await Promise.all(Object.keys(BACKENDS).map((name) => node.pod(name).serve({ tcp: 8080 })));
  clients = await Promise.all(own.map(([name = ""]) => node.pod(name).dialer()));
  portico = new PorticoProcess(node);
  table = new TableClient(runPaths(portico.runDirectory).tableSocket);
  write(Object.values(BACKENDS), { balancing: "random" });
  await portico.start(["--service-cidr", "10.96.0.0/16", "--envoy-concurrency", "2"]);
  await portico.synced();
});
afterAll(async () => {
  table?.close();
  await portico?.close();
  await cluster?.close();
});

function write(endpoints: readonly string[], settings: Record<string, string>): void {
  const web = { name: "web", clusterIP: VIP, nodePort: NODE_PORT, endpoints, settings };
  portico.write([nodeObject("node-1", node.address), ...serviceObjects(web)]);
}

async function inTable(
  endpoints: readonly string[],
  settings: Record<string, string>,
): Promise<void> {
  write(endpoints, settings);
  await eventually(`${endpoints.length} backends, ${settings.balancing}`, 5_000, async () => {
    const { records } = await table.dump();
    return (
      records.length > 0 &&
      records.every(({ backends, settings: { balancing } }) => {
        const listed = backends.map(({ address }) => address);
        return String(listed) === String(endpoints) && balancing === settings.balancing;
      })
    );
  });
}

async function names(client: number, tries: number, at = VIP, port = 80): Promise<string[]> {
  const results = await (clients[client] as Dialer).dial(at, port, { tries });
  expect(results.map(({ outcome }) => outcome)).toEqual(Array(tries).fill("answered"));
  return results.map(({ name }) => name);
}

it("least-connections leaves alone the backend that holds connections, in any worker", async () => {
  const settings = { balancing: "least-connections" };
  await inTable([BACKENDS["web-1"]], settings);
  const held = await Promise.all(
    Array.from({ length: 20 }, () => (clients[0] as Dialer).open(VIP, 80)),
  );
  await inTable([BACKENDS["web-1"], BACKENDS["web-2"]], settings);
  await delay(TOLD_MS);
  // More than the others hold: so those that have ended do not count.
  expect(new Set(await names(1, 50))).toEqual(new Set(["web-2"]));
  expect(await held[0]?.echo("still here")).toBe("still here");
  for (const each of held) await each.close();
});

it("client-hash gives a client one backend everywhere, which others cannot take away", async () => {
  const settings = { balancing: "client-hash" };
  await inTable(Object.values(BACKENDS), settings);
  const own: string[] = [];
  for (const client of clients.keys()) {
    const seen = new Set([
      ...(await names(client, 15)),
      ...(await names(client, 5, node.address, NODE_PORT)),
    ]);
    expect(seen.size).toBe(1);
    own.push(...seen);
  }
  for (const [gone, address] of Object.entries(BACKENDS)) {
    await inTable(
      Object.values(BACKENDS).filter((each) => each !== address),
      settings,
    );
    for (const [client, backend] of own.entries()) {
      const [now] = await names(client, 1);
      if (backend === gone) expect(now).not.toBe(gone);
      else expect(now).toBe(backend);
    }
  }
});

it("round-robin gives each backend its turn in each worker", async () => {
  await inTable(Object.values(BACKENDS), { balancing: "round-robin" });
  const seen = Map.groupBy(await names(0, 30), (name) => name);
  // Each of two workers is at most one turn ahead with a backend.
  for (const name of Object.keys(BACKENDS)) {
    expect(Math.abs((seen.get(name)?.length ?? 0) - 10)).toBeLessThanOrEqual(2);
  }
});
