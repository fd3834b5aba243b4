// Clients that no backend serves, on real Envoy with two workers: all are refused by a reset,
// whoever speaks first; and the limits of a Service, which are exact.

import { writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { shippedPlugin } from "../../controller/config/run-options.ts";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import type { Dialer, HeldConnection } from "../namespaces/dialer.ts";
import { metricsOf } from "./metrics-of-node.ts";
import {
  nodeObject,
  PorticoProcess,
  type ServiceSketch,
  serviceObjects,
} from "./portico-fixture.ts";
import { endsOf } from "./refused-clients.ts";
import { withOtherBuild } from "./test-plugins.ts";

const MOST = 10;
const MOST_NEW = 20;
const PODS: Record<string, [string, string]> = {
  client: ["10.1.1.10", "fd00:1:1::10"],
  web: ["10.1.1.21", "fd00:1:1::21"],
  refusing: ["10.1.1.23", "fd00:1:1::23"],
  silent: ["10.1.1.24", "fd00:1:1::24"],
};
const REFUSING = "10.96.0.10";
const REFUSING_V6 = "fd00:96::10";
const SILENT = "10.96.0.11";
const EMPTY = "10.96.0.12";
const FULL = "10.96.0.13";
const FAST = "10.96.0.14";
const NODE_PORT = 30080;

function limited(sketch: ServiceSketch, annotation: string, value: number) {
  const [service, slice] = serviceObjects(sketch) as [{ metadata: object }, object];
  const annotations = { [`portico.dev/${annotation}`]: String(value) };
  return [{ ...service, metadata: { ...service.metadata, annotations } }, slice] as Record<
    string,
    unknown
  >[];
}

let cluster: Cluster;
let node: ClusterNode;
let portico: PorticoProcess;
let dialer: Dialer;

beforeAll(async () => {
  ({ cluster, node } = await makeNode({ name: "node-1", pods: PODS, dualStack: true }));
  await node.pod("web").serve({ tcp: [8080] });
  const drop =
    "add table inet silent; add chain inet silent in { type filter hook input priority 0; }";
  await node.pod("silent").exec("nft", [`${drop}; add rule inet silent in tcp dport 8080 drop`]);
  dialer = await node.pod("client").dialer();
  portico = new PorticoProcess(node);
  const full = { name: "full", clusterIP: FULL, endpoints: ["10.1.1.21"], nodePort: NODE_PORT };
  const fast = { name: "fast", clusterIP: FAST, endpoints: ["10.1.1.21"] };
  portico.write([
    nodeObject("node-1", node.address),
    ...serviceObjects({ name: "refusing", clusterIP: REFUSING, endpoints: ["10.1.1.23"] }),
    ...serviceObjects({
      name: "refusing-v6",
      clusterIP: REFUSING_V6,
      endpoints: ["fd00:1:1::23"],
    }),
    ...serviceObjects({ name: "silent", clusterIP: SILENT, endpoints: ["10.1.1.24"] }),
    ...serviceObjects({ name: "empty", clusterIP: EMPTY, endpoints: [] }),
    ...limited(full, "max-connections", MOST),
    ...limited(fast, "max-new-connections-per-second", MOST_NEW),
  ]);
  await portico.start([
    ...["--service-cidr", "10.96.0.0/16", "--service-cidr", "fd00:96::/64"],
    ...["--connect-attempts", "3", "--connect-timeout", "500ms", "--envoy-concurrency", "2"],
  ]);
  await portico.synced();
});
afterAll(async () => {
  await portico?.close();
  await cluster?.close();
});

async function metric(name: string, labels: Record<string, string>): Promise<number> {
  const series = await metricsOf(node);
  const isOwn = (own: Record<string, string>) =>
    Object.entries(labels).every(([label, value]) => own[label] === value);
  return series
    .filter((each) => each.name === name && isOwn(each.labels))
    .reduce((sum, { value }) => sum + value, 0);
}

describe.each(["client", "server"] as const)("where the %s speaks first", (first) => {
  it.each([
    ["all backends refuse", REFUSING, "ECONNRESET"],
    ["all backends refuse, over IPv6", REFUSING_V6, "ECONNRESET"],
    ["no backend answers", SILENT, "ECONNRESET"],
    ["there are no endpoints", EMPTY, "ECONNREFUSED"],
  ])("%s: all clients see an error", async (_, address, code) => {
    expect(await endsOf(node.pod("client"), address, first, 40)).toEqual({ [code]: 40 });
  });
});

it("a client that was refused has failed, by the reason of its backends", async () => {
  const failed = "portico_service_connections_failed_total";
  let seen: (readonly [string, string, number])[] = [];
  const isCounted = async () => {
    const series = (await metricsOf(node)).filter(({ name }) => name === failed);
    seen = series.map(({ labels, value }) => [labels.service ?? "", labels.reason ?? "", value]);
    const of = (service: string, reason: string) =>
      seen.find(([name, why]) => name === service && why === reason)?.[2];
    return of("refusing", "refused") === 80 && of("silent", "timeout") === 80;
  };
  await eventually("failures", 20_000, isCounted, () => seen);
});

/** Opens connections at once; returns those that are served. */
async function openMany(count: number, address = FULL, port = 80): Promise<HeldConnection[]> {
  const all = Array.from({ length: count }, async () => {
    const connection = await dialer.open(address, port);
    await connection.echo("x".repeat(10));
    return connection;
  });
  const settled = await Promise.allSettled(all);
  return settled.filter((each) => each.status === "fulfilled").map(({ value }) => value);
}

async function close(connections: readonly HeldConnection[]): Promise<void> {
  await Promise.all(connections.map((each) => each.close()));
}

/** Envoy may notice later than the client that a connection has ended. */
async function openSome(count: number, address = FULL, port = 80): Promise<HeldConnection[]> {
  const served: HeldConnection[] = [];
  await eventually(`${count} connections`, 20_000, async () => {
    served.push(...(await openMany(count - served.length, address, port)));
    return served.length >= count;
  });
  return served;
}

describe(`a Service with at most ${MOST} connections`, () => {
  it("serves that many of 100, refuses the others, and serves again when some end", async () => {
    const served = await openMany(100);
    expect(served).toHaveLength(MOST);
    for (const first of ["client", "server"] as const) {
      expect(await endsOf(node.pod("client"), FULL, first, 40)).toEqual({ ECONNRESET: 40 });
    }
    expect(await openMany(5, node.address, NODE_PORT)).toEqual([]);
    await eventually("what is used", 20_000, async () => {
      const { stdout } = await portico.command("services", "test/full");
      return /10 of at most 10 connections, \d{3} refused/.test(stdout);
    });
    const explained = await portico.command("explain", `${FULL}:80`);
    expect(explained.stdout).toMatch(/on this node: 10 of at most 10 connections, \d{3} refused/);
    await close(served.splice(0, 4));
    served.push(...(await openSome(4, node.address, NODE_PORT)));
    expect(await openMany(20)).toEqual([]);
    await close(served);
    const refused = { service: "full", limit: "max-connections" };
    const name = "portico_service_connections_limited_total";
    await eventually("counts", 20_000, async () => (await metric(name, refused)) >= 195);
    expect(await metric("portico_service_connections_failed_total", { service: "full" })).toBe(0);
  });

  it("keeps counting when its plugin is replaced", async () => {
    const served = await openSome(MOST);
    const file = join(portico.manifests, "../next.wasm");
    writeFileSync(file, withOtherBuild(await readFile(shippedPlugin()), "next"));
    expect((await portico.command("plugin", "load", file)).code).toBe(0);
    expect(await openMany(20)).toEqual([]);
    await close(served.splice(0, 6));
    served.push(...(await openSome(6)));
    expect(await openMany(20)).toEqual([]);
    await close(served);
  });
});

it(`a Service gets ${MOST_NEW} new connections at once, and as many a second`, async () => {
  const begin = performance.now();
  const results = await Promise.all(
    Array.from({ length: 4 }, () => dialer.dial(FAST, 80, { tries: 250 })),
  );
  const seconds = (performance.now() - begin) / 1_000;
  const served = results.flat().filter(({ outcome }) => outcome === "answered");
  expect(served.length).toBeGreaterThanOrEqual(MOST_NEW);
  expect(served.length).toBeLessThanOrEqual(MOST_NEW * (seconds + 1) + 1);
  const others = new Set(results.flat().map(({ outcome }) => outcome));
  expect(others).toEqual(new Set(["answered", "reset"]));
});
