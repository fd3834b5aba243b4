// Backends that fail, on a real Envoy with two workers: the next connections leave them alone, and
// use them again once they work.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BACKEND_EJECTED } from "../../controller/model/types.ts";
import { TableClient } from "../../controller/table/client.ts";
import { askAdmin } from "../../envoy/admin.ts";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import type { DialResult } from "../namespaces/messages.ts";
import { nodeObject, PorticoProcess, serviceObjects } from "./portico-fixture.ts";

const ADDRESSES = {
  "client-1": "10.1.1.10",
  "client-2": "10.1.1.11",
  "client-3": "10.1.1.12",
  "web-1": "10.1.1.21",
  "web-2": "10.1.1.22",
  failing: "10.1.1.23",
} as const;
const WEB = "10.96.0.10";
const UNEJECTING = "10.96.0.11";
const CLIENTS = ["client-1", "client-2"] as const;
const PATIENCE_MS = 20_000;
const PORT = 8080;
/** The longest ejection, and the connection that tries the backend after it. */
const LONGEST_MS = 40_000;

/** Until an ejection is a problem, with the next question of the controller. */
const LASTING_MS = 60_000;

let cluster: Cluster;
let node: ClusterNode;
let portico: PorticoProcess;
let table: TableClient;

beforeAll(async () => {
  const pods = Object.fromEntries(
    Object.entries(ADDRESSES).map(([pod, address]) => [pod, [address]]),
  );
  ({ cluster, node } = await makeNode({ name: "node-1", pods }));
  for (const pod of ["web-1", "web-2"]) await node.pod(pod).serve({ tcp: [PORT] });
  const endpoints = [ADDRESSES["web-1"], ADDRESSES["web-2"], ADDRESSES.failing];
  const [service, slice] = serviceObjects({ name: "off", clusterIP: UNEJECTING, endpoints });
  const { metadata } = service as { metadata: object };
  const annotations = { "portico.dev/ejection": "off" };
  portico = new PorticoProcess(node);
  portico.write([
    nodeObject("node-1", node.address),
    ...serviceObjects({ name: "web", clusterIP: WEB, endpoints }),
    { ...service, metadata: { ...metadata, annotations } },
    slice as object,
  ] as Parameters<PorticoProcess["write"]>[0]);
  await portico.start(["--service-cidr", "10.96.0.0/16", "--envoy-concurrency", "2"]);
  await portico.synced();
  table = new TableClient(`${portico.runDirectory}/table.sock`);
});
afterAll(async () => {
  table?.close();
  await portico?.close();
  await cluster?.close();
});

type ClientName = "client-1" | "client-2" | "client-3";

async function dial(pod: ClientName, tries: number, address = WEB): Promise<DialResult[]> {
  const dialer = await node.pod(pod).dialer();
  return dialer.dial(address, 80, { tries, timeoutMs: PATIENCE_MS });
}

/** All of two clients, one after the other. */
async function dialAll(tries: number, address = WEB): Promise<DialResult[]> {
  const results: DialResult[] = [];
  for (let i = 0; i < tries; i++) {
    for (const pod of CLIENTS) results.push(...(await dial(pod, 1, address)));
  }
  return results;
}

/** Attempts of Envoy that failed, since it started. */
async function failedAttempts(): Promise<number> {
  const admin = `${portico.runDirectory}/admin.sock`;
  const { body } = await askAdmin(admin, "/stats?filter=backends.upstream_cx_connect_fail");
  return Number(/: (\d+)/.exec(body)?.[1]);
}

async function failedDuring(use: () => Promise<unknown>): Promise<number> {
  const before = await failedAttempts();
  await use();
  return (await failedAttempts()) - before;
}

function answeredBy(results: readonly DialResult[]): Set<string> {
  expect(results.map(({ outcome }) => outcome)).toEqual(results.map(() => "answered"));
  return new Set(results.map(({ name }) => name));
}

async function isEjectedForAll(): Promise<boolean> {
  const found = (await table.ejected()) ?? [];
  return found.some(({ backend, client }) => backend.address === ADDRESSES.failing && !client);
}

/** Until it answers again; every connection meanwhile is answered too. */
async function untilUsedAgain(): Promise<void> {
  const used = new Set<string>();
  await eventually("it is used again", LONGEST_MS, async () => {
    for (const name of answeredBy(await dialAll(5))) used.add(name);
    return used.has("failing");
  });
  await eventually("nothing is ejected", LONGEST_MS, async () => {
    answeredBy(await dialAll(5));
    return (await table.ejected())?.length === 0;
  });
}

describe("one of three backends refuses", () => {
  it("and after the first few connections none is sent to it", async () => {
    const failed = await failedDuring(async () => {
      expect(answeredBy(await dialAll(100))).toEqual(new Set(["web-1", "web-2"]));
    });
    // Without ejection a third of 200, and those that meet it again before a tick.
    expect(failed).toBeGreaterThan(0);
    expect(failed).toBeLessThan(25);
    expect(await isEjectedForAll()).toBe(true);
  });

  it("and a client that it never failed is spared", async () => {
    await dialAll(10);
    const failed = await failedDuring(() => dial("client-3", 90));
    // Without ejection a third of 90. It may be the one that tries the backend again.
    expect(failed).toBeLessThan(15);
  });

  it("but a Service that does not want it is served as before", async () => {
    const failed = await failedDuring(async () => {
      expect(answeredBy(await dialAll(50, UNEJECTING))).toEqual(new Set(["web-1", "web-2"]));
    });
    expect(failed).toBeGreaterThan(15);
  });

  it("and is named with its reason, and for how long", async () => {
    await dialAll(5);
    // "failed": its time is over, and no connection has come since.
    const { stdout } = await portico.command("services", "test/web");
    expect(stdout).toMatch(/10\.1\.1\.23:8080 \((ejected|failed).*connection refused/);
    const to = ["explain", `${WEB}:80`, "--from", ADDRESSES["client-3"]];
    const explained = await portico.command(...to);
    expect(explained.stdout).toMatch(/10\.1\.1\.23:8080 .*(ejected|failed).*connection refused/);
  });

  it("and is a problem of its Service, and a finding, once that has lasted", async () => {
    await eventually("a problem", LASTING_MS, async () => {
      await dialAll(3);
      const { problems } = await portico.status();
      return problems.some(({ reason }) => reason === BACKEND_EJECTED);
    });
    const problems = (await portico.status()).problems.filter(({ object }) =>
      object.startsWith("Service"),
    );
    expect(problems.map(({ object }) => object)).toEqual(["Service test/web"]);
    expect(problems[0]?.message).toContain("10.1.1.23:8080 (connection refused)");
    const { stdout } = await portico.command("doctor", "test/web", "-o", "json");
    expect(stdout).toContain('"backend-ejected"');
  });

  it("and is used again once it works", async () => {
    await node.pod("failing").serve({ tcp: [PORT] });
    await untilUsedAgain();
  });
});

describe("one of three backends is silent", () => {
  it("and few connections wait for it", async () => {
    const drop =
      "add table inet silent; add chain inet silent in { type filter hook input priority 0; }";
    await node.pod("failing").exec("nft", [`${drop}; add rule inet silent in tcp dport 8080 drop`]);
    const failed = await failedDuring(async () => {
      expect(answeredBy(await dialAll(40))).toEqual(new Set(["web-1", "web-2"]));
    });
    expect(failed).toBeLessThan(15);
    expect(await isEjectedForAll()).toBe(true);
  });

  it("and is used again once it answers", async () => {
    await node.pod("failing").exec("nft", ["delete table inet silent"]);
    await untilUsedAgain();
  });
});

it("a backend that drops one client serves the others", async () => {
  const drop =
    "add table inet denied; add chain inet denied in { type filter hook input priority 0; }";
  const rule = `add rule inet denied in ip saddr ${ADDRESSES["client-1"]} tcp dport 8080 drop`;
  await node.pod("failing").exec("nft", [`${drop}; ${rule}`]);
  const denied = dial("client-1", 12);
  const others = new Set<string>();
  for (let i = 0; i < 6; i++)
    for (const name of answeredBy(await dial("client-2", 10))) others.add(name);
  expect(others).toEqual(new Set(["web-1", "web-2", "failing"]));
  expect(answeredBy(await denied)).toEqual(new Set(["web-1", "web-2"]));
  expect(await isEjectedForAll()).toBe(false);
});
