// deploy/grafana: Prometheus takes the alert rules and raises them when it should, and dashboard,
// rules and README name only metrics that a running node has.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually } from "../eventually.ts";
import { handWritten, i32 } from "../functions/wat.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import { runCommand } from "../namespaces/command.ts";
import { findPromtool } from "../promtool.ts";
import { textOfNode } from "./metrics-of-node.ts";
import { nodeObject, PorticoProcess, serviceObjects } from "./portico-fixture.ts";

const FOLDER = join(import.meta.dirname, "../../deploy/grafana");
/** Prometheus' own, about what it scrapes. */
const OF_PROMETHEUS = ["up"];

let cluster: Cluster;
let node: ClusterNode;
let portico: PorticoProcess;
let functions: string;

beforeAll(async () => {
  const pods = { client: "10.1.1.10", web: "10.1.1.21" };
  ({ cluster, node } = await makeNode({ name: "node-1", pods }));
  await node.pod("web").serve({ tcp: 8080, udp: 8080 });
  portico = new PorticoProcess(node);
  const endpoints = ["10.1.1.21"];
  const settings = { pick: "first" };
  portico.write([
    nodeObject("node-1", node.address),
    ...serviceObjects({ name: "web", clusterIP: "10.96.0.10", endpoints, settings }),
    ...serviceObjects({ name: "broken", clusterIP: "10.96.0.11", endpoints: ["10.1.1.10"] }),
    ...serviceObjects({ name: "dns", clusterIP: "10.96.0.12", endpoints, protocol: "UDP" }),
  ]);
  functions = mkdtempSync("/run/portico-functions-");
  const code = handWritten({ functions: [{ code: i32(0) }] });
  writeFileSync(join(functions, "first.wasm"), code);
  const options = ["--service-metrics", "backend", "--functions", functions];
  await portico.start(["--service-cidr", "10.96.0.0/16", ...options]);
  await portico.synced(30_000);
});
afterAll(async () => {
  await portico?.close();
  await cluster?.close();
  rmSync(functions, { recursive: true, force: true });
});

it("has alert rules that Prometheus takes, and that are raised when they should be", async () => {
  const promtool = await findPromtool();
  const run = async (...args: string[]) => {
    const options = { allowFailure: true, timeoutMs: 60_000 };
    const { code, stdout, stderr } = await runCommand(promtool, args, options);
    expect(code, stdout + stderr).toBe(0);
    return stdout + stderr;
  };
  const rules = read("alerts.yaml");
  const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
  expect(await run("check", "rules", join(FOLDER, "alerts.yaml"))).toContain(
    `${alerts.length} rules found`,
  );
  expect(await run("test", "rules", join(FOLDER, "alerts.test.yaml"))).toContain("SUCCESS");
  const tests = read("alerts.test.yaml");
  expect(alerts.filter((name) => !isRaised(tests, name as string))).toEqual([]);
}, 300_000);

it("names only metrics that there are", async () => {
  const client = await node.pod("client").dialer();
  for (const address of ["10.96.0.10", "10.96.0.11"]) await client.dial(address, 80);
  await client.dial("10.96.0.12", 80, { protocol: "UDP" });
  const texts = ["alerts.yaml", "dashboard.json", "README.md"].map(read);
  const named = new Set(texts.flatMap(metricsIn));
  expect(named.size).toBeGreaterThan(25);
  let missing: string[] = [];
  await eventually("all metrics", 30_000, async () => {
    const present = [await textOfNode(node), await textOfNode(node, "/metrics/envoy")];
    const known = new Set([...present.flatMap(typesIn), ...OF_PROMETHEUS]);
    missing = [...named].filter((name) => !known.has(name));
    return missing.length === 0;
  }).catch(() => expect(missing).toEqual([]));
}, 120_000);

it("lists every metric of Portico's that a running node has", async () => {
  const listed = new Set(metricsIn(read("README.md")));
  const present = [await textOfNode(node), await textOfNode(node, "/metrics/envoy")];
  const own = present.flatMap(typesIn).filter((name) => name.startsWith("portico_"));
  expect(own.length).toBeGreaterThan(25);
  expect(own.filter((name) => !listed.has(name))).toEqual([]);
});

it("is a dashboard whose panels have names, places and queries", () => {
  const dashboard = JSON.parse(read("dashboard.json")) as { panels: Panel[] };
  const panels = dashboard.panels.filter(({ type }) => type !== "row");
  expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  for (const { title, targets = [], gridPos } of panels) {
    expect(title).not.toBe("");
    expect(targets.map(({ expr }) => balance(expr))).toEqual(targets.map(() => 0));
    expect(targets.length).toBeGreaterThan(0);
    expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
  }
});

interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; w: number };
  targets?: { expr: string }[];
}

function read(name: string): string {
  return readFileSync(join(FOLDER, name), "utf8");
}

/** Whether a test expects it to be raised. */
function isRaised(tests: string, alert: string): boolean {
  return new RegExp(`alertname: ${alert}\\n\\s+exp_alerts:\\n\\s+- exp_labels`).test(tests);
}

function balance(text: string): number {
  return [...text].reduce((depth, at) => depth + (at === "(" ? 1 : at === ")" ? -1 : 0), 0);
}

/** Names of metrics, as the families that they belong to. */
function metricsIn(text: string): string[] {
  const found = text.matchAll(/\b(portico|kubeproxy|process)_[a-z_]+[a-z]\b|\bup\b(?=\{)/g);
  return [...found].map(([name]) => name.replace(/_(bucket|sum|count)$/, ""));
}

function typesIn(text: string): string[] {
  return [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name = ""]) => name);
}
