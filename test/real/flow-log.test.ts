// The flow log on real Envoy: a line of JSON for each connection and UDP flow, the refused ones
// too; only those that are wanted; and none where nobody wants any.

import { existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { SETTING_NAMES } from "../../controller/model/setting-annotations.ts";
import { TableClient } from "../../controller/table/client.ts";
import type { DecodedRecord } from "../../controller/wire/decode.ts";
import { recordFromFrontend } from "../../controller/wire/encode.ts";
import { askAdmin } from "../../envoy/admin.ts";
import { findEnvoy } from "../../envoy/find.ts";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import type { Dialer } from "../namespaces/dialer.ts";
import {
  type KubernetesObject,
  nodeObject,
  PorticoProcess,
  type ServiceSketch,
  serviceObjects,
} from "./portico-fixture.ts";

const WEB: ServiceSketch = {
  name: "web",
  clusterIP: "10.96.0.10",
  endpoints: ["10.1.1.21"],
};
/** Its endpoint listens nowhere. */
const BROKEN: ServiceSketch = {
  name: "broken",
  clusterIP: "10.96.0.11",
  endpoints: ["10.1.1.22"],
};
/** One of its endpoints listens nowhere. */
const HALF: ServiceSketch = {
  name: "half",
  clusterIP: "10.96.0.13",
  endpoints: ["10.1.1.21", "10.1.1.22"],
};
const DNS: ServiceSketch = {
  name: "dns",
  clusterIP: "10.96.0.12",
  endpoints: ["10.1.1.21"],
  protocol: "UDP",
  port: 53,
};
/** It may have one connection. */
const NARROW: ServiceSketch = {
  name: "narrow",
  clusterIP: "10.96.0.14",
  endpoints: ["10.1.1.21"],
};
const ARGS = ["--service-cidr", "10.96.0.0/16", "--envoy-concurrency", "2"];

let cluster: Cluster;
let node: ClusterNode;
let portico: PorticoProcess;
let client: Dialer;
let file: string;

const MAX_CONNECTIONS = SETTING_NAMES.maxConnections;

type Line = Record<string, unknown>;

beforeAll(async () => {
  const pods = { client: "10.1.1.10", web: "10.1.1.21", closed: "10.1.1.22" };
  ({ cluster, node } = await makeNode({ name: "node-1", pods }));
  await node.pod("web").serve({ tcp: 8080, udp: 8080 });
  client = await node.pod("client").dialer();
  portico = new PorticoProcess(node);
  file = join(portico.manifests, "../flows.log");
  const services = [WEB, BROKEN, HALF, DNS, NARROW];
  const objects = services.flatMap(serviceObjects).map(withPortName).map(withLimit);
  portico.write([nodeObject("node-1", node.address), ...objects]);
}, 120_000);
afterAll(async () => {
  await portico?.close();
  await cluster?.close();
}, 120_000);

async function restart(...args: string[]): Promise<void> {
  await portico.end("SIGKILL");
  await portico.start([...ARGS, ...args], { ENVOY: await impatientEnvoy() });
  await portico.synced(30_000);
}

/** Writes its logs at once, and not every ten seconds. */
async function impatientEnvoy(): Promise<string> {
  const path = join(portico.manifests, "../envoy");
  const envoy = await findEnvoy(process.env, console.log);
  const script = `#!/bin/sh\nexec '${envoy}' --file-flush-interval-msec 100 "$@"\n`;
  writeFileSync(path, script, { mode: 0o755 });
  return path;
}

function lines(): Line[] {
  if (!existsSync(file)) return [];
  const whole = readFileSync(file, "utf8").split("\n").slice(0, -1);
  return whole.map((line) => JSON.parse(line) as Line);
}

function linesOf(service: string): Line[] {
  return lines().filter((line) => line.service === service);
}

/** The port of "web" has a name, those of others have none. */
function withPortName(object: KubernetesObject): KubernetesObject {
  const { kind, metadata, spec, ports } = object as {
    kind: string;
    metadata: { name: string };
    spec: { ports: object[] };
    ports: object[];
  };
  if (!metadata.name.startsWith("web")) return object;
  const named = (each: object) => ({ ...each, name: "http" });
  if (kind === "Service") return { ...object, spec: { ...spec, ports: spec.ports.map(named) } };
  return { ...object, ports: ports.map(named) };
}

function withLimit(object: KubernetesObject): KubernetesObject {
  const metadata = object.metadata as { name: string };
  if (metadata.name !== NARROW.name) return object;
  return { ...object, metadata: { ...metadata, annotations: { [MAX_CONNECTIONS]: "1" } } };
}

async function untilLines(service: string, count: number): Promise<Line[]> {
  await eventually(`${count} lines of ${service}`, 40_000, async () => {
    return linesOf(service).length >= count;
  }).catch((error: Error) => {
    throw new Error(`${error.message}: ${JSON.stringify(lines(), undefined, 1)} ${portico.log}`);
  });
  return linesOf(service);
}

it("has a line for each connection, and for each UDP flow", async () => {
  await restart("--flow-log", file);
  const held = await client.open(WEB.clusterIP, 80);
  await held.echo("x".repeat(1000));
  await held.close();
  await client.dial(BROKEN.clusterIP, 80);
  await client.dial(DNS.clusterIP, 53, { protocol: "UDP", localPort: 40_000 });
  const [web] = await untilLines("test/web:http", 1);
  expect(web).toEqual({
    time: expect.stringMatching(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ$/),
    protocol: "TCP",
    service: "test/web:http",
    frontend: "10.96.0.10:80",
    client: expect.stringMatching(/^10\.1\.1\.10:\d+$/),
    backend: "10.1.1.21:8080",
    attempted: "10.1.1.21:8080",
    verdict: "forwarded",
    reason: "",
    flags: "-",
    receivedBytes: 1000,
    sentBytes: 1000,
    durationMs: expect.any(Number),
  });
  const [broken] = await untilLines("test/broken", 1);
  expect(broken).toMatchObject({
    backend: "",
    attempted: expect.stringMatching(/^(10\.1\.1\.22:8080,){10,13}248\.0\.0\.1:15401$/),
    verdict: "refused",
    receivedBytes: expect.any(Number),
    sentBytes: 0,
    reason: "delayed connect error: Connection refused",
  });
  const [dns] = await untilLines("test/dns", 1);
  expect(dns).toMatchObject({
    protocol: "UDP",
    client: "10.1.1.10:40000",
    frontend: "10.96.0.12:53",
    backend: "10.1.1.21:8080",
    verdict: "forwarded",
    receivedBytes: 32,
    receivedDatagrams: 1,
    sentDatagrams: 1,
    durationMs: expect.any(Number),
  });
  expect(Number(dns?.sentBytes)).toBeGreaterThan(0);
  expect(lines()).toHaveLength(3);
}, 120_000);

it("has a connection as forwarded that another backend had refused", async () => {
  const refused = /^(10\.1\.1\.22:8080,)+10\.1\.1\.21:8080$/;
  const isRefused = ({ attempted }: Line) => refused.test(String(attempted));
  await eventually("a connection that was refused", 40_000, async () => {
    await client.dial(HALF.clusterIP, 80, { tries: 4 });
    return linesOf("test/half").some(isRefused);
  });
  const [line] = linesOf("test/half").filter(isRefused);
  const reason = "delayed connect error: Connection refused";
  expect(line).toMatchObject({ verdict: "forwarded", backend: "10.1.1.21:8080", reason });
  expect(line?.flags).toBe("UF");
}, 120_000);

it("has a connection as limited that a limit of its Service refused", async () => {
  const held = await client.open(NARROW.clusterIP, 80);
  await held.echo("x");
  expect(await client.dialOnce(NARROW.clusterIP, 80)).toMatchObject({ outcome: "reset" });
  const [line] = await untilLines("test/narrow", 1);
  expect(line).toMatchObject({ verdict: "limited", limit: "max-connections", backend: "" });
  await held.close();
}, 120_000);

it("begins at the front of a file that logrotate has emptied by copytruncate", async () => {
  truncateSync(file, 0);
  await client.dial(BROKEN.clusterIP, 80);
  await untilLines("test/broken", 1);
  expect(readFileSync(file, "utf8")).toMatch(/^\{/);
});

it("says when the table has no backend", async () => {
  const table = new TableClient(join(portico.runDirectory, "a/table.sock"));
  onTestFinished(() => table.close());
  const { version, records } = await table.dump();
  const web = records.find(({ service }) => service === "web") as DecodedRecord;
  const empty = { ...web, verdict: "keep" as const, localBackends: [], allowedSources: [] };
  const { record } = recordFromFrontend({ ...empty, key: "", backends: [] }, "cluster");
  await table.pushDelta(version, { upserts: [record as Uint8Array], removals: [] });
  const before = linesOf("test/web:http").length;
  const { outcome } = await client.dialOnce(WEB.clusterIP, 80);
  expect(["eof", "reset"]).toContain(outcome);
  const found = await untilLines("test/web:http", before + 1);
  expect(found.at(-1)).toMatchObject({ verdict: "no-backend", sentBytes: 0 });
}, 120_000);

it("has only the Services that are wanted", async () => {
  await portico.end("SIGKILL");
  await portico.command("cleanup");
  rmSync(file, { force: true });
  await restart("--flow-log", file, "--flow-log-services", "test/web,other/broken");
  for (const { clusterIP } of [WEB, BROKEN]) await client.dial(clusterIP, 80, { tries: 3 });
  await client.dial(DNS.clusterIP, 53, { protocol: "UDP" });
  await untilLines("test/web:http", 3);
  await portico.end("SIGKILL");
  await portico.command("cleanup");
  expect(lines().map(({ service }) => service)).toEqual(Array(3).fill("test/web:http"));
}, 120_000);

it("has a sample of them, and nothing at all by default", async () => {
  rmSync(file, { force: true });
  await restart("--flow-log", file, "--flow-log-sample", "0.5");
  const results = await client.dial(WEB.clusterIP, 80, { tries: 200 });
  expect([...new Set(results.map(({ outcome }) => outcome))]).toEqual(["answered"]);
  await untilLines("test/web:http", 20);
  expect(lines().length).toBeLessThan(180);
  expect(await accessLogs()).toBeGreaterThan(0);
  await restart();
  await eventually("no access log", 20_000, async () => (await accessLogs()) === 0);
}, 120_000);

/** How many of Envoy's listeners have one; those that only drain do not count. */
async function accessLogs(): Promise<number> {
  const socket = join(portico.runDirectory, "a/admin.sock");
  const { body } = await askAdmin(socket, "/config_dump?resource=dynamic_listeners", 10_000);
  const { configs } = JSON.parse(body) as { configs: { active_state?: object }[] };
  const active = configs.map(({ active_state = {} }) => JSON.stringify(active_state));
  return active.filter((text) => text.includes('"access_log"')).length;
}
