// Metrics per Service on real Envoy with two workers: as many connections and bytes as there were,
// with the reasons of those that failed, over a new plugin; and none of a Service that is gone.

import { writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { shippedPlugin } from "../../controller/config/run-options.ts";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import type { Dialer, HeldConnection } from "../namespaces/dialer.ts";
import { metricsOf, type Series } from "./metrics-of-node.ts";
import {
  nodeObject,
  PorticoProcess,
  type ServiceSketch,
  serviceObjects,
} from "./portico-fixture.ts";
import { withOtherBuild } from "./test-plugins.ts";

const WEB: ServiceSketch = {
  name: "web",
  clusterIP: "10.96.0.10",
  nodePort: 30080,
  endpoints: ["10.1.1.21", "10.1.1.22"],
};
/** Its endpoint listens nowhere. */
const BROKEN: ServiceSketch = {
  name: "broken",
  clusterIP: "10.96.0.11",
  endpoints: ["10.1.1.23"],
};
/** Its endpoint does not answer at all. */
const SILENT: ServiceSketch = {
  name: "silent",
  clusterIP: "10.96.0.12",
  endpoints: ["10.1.1.24"],
};
/** Nobody dials it. */
const UNUSED: ServiceSketch = {
  name: "unused",
  clusterIP: "10.96.0.13",
  endpoints: ["10.1.1.21"],
};
const DNS: ServiceSketch = {
  name: "dns",
  clusterIP: "10.96.0.14",
  endpoints: ["10.1.1.21"],
  protocol: "UDP",
  port: 53,
};

let cluster: Cluster;
let node: ClusterNode;
let portico: PorticoProcess;
let client: Dialer;

beforeAll(async () => {
  const pods = {
    client: "10.1.1.10",
    "web-1": "10.1.1.21",
    "web-2": "10.1.1.22",
    closed: "10.1.1.23",
    silent: "10.1.1.24",
  };
  ({ cluster, node } = await makeNode({ name: "node-1", pods }));
  await Promise.all(
    ["web-1", "web-2"].map((name) => node.pod(name).serve({ tcp: 8080, udp: 8080 })),
  );
  const drop =
    "add table ip t; add chain ip t c { type filter hook input priority 0; policy drop; }";
  await node.pod("silent").exec("nft", [drop]);
  client = await node.pod("client").dialer();
  portico = new PorticoProcess(node);
  write(WEB, BROKEN, SILENT, UNUSED, DNS);
  await portico.start(["--service-cidr", "10.96.0.0/16", "--envoy-concurrency", "2"]);
  await portico.synced(30_000);
});
afterAll(async () => {
  await portico?.close();
  await cluster?.close();
});

function write(...services: readonly ServiceSketch[]): void {
  portico.write([nodeObject("node-1", node.address), ...services.flatMap(serviceObjects)]);
}

/** Waits until the numbers of a Service are these, and says what they were otherwise. */
async function untilMetrics(service: string, wanted: Record<string, number>): Promise<void> {
  let last: Record<string, number> = {};
  await eventually(`metrics of ${service}`, 20_000, async () => {
    last = numbersOf(await metricsOf(node), service);
    return Object.entries(wanted).every(([name, value]) => last[name] === value);
  }).catch(() => expect(last).toEqual({ ...last, ...wanted }));
}

/** The series of a Service: by what is left of its name, and by its reason. */
function numbersOf(series: readonly Series[], service: string): Record<string, number> {
  const own = series.filter(({ name, labels }) => {
    return name.startsWith("portico_service_") && labels.service === service && !labels.le;
  });
  return Object.fromEntries(
    own.map(({ name, labels: { reason }, value }) => {
      const short = name.replace(/^portico_service_/, "").replace(/_total$/, "");
      return [reason ? `${short} ${reason}` : short, value];
    }),
  );
}

/** Connections that are held open, and what they sent. */
async function openMany(count: number, bytes: number): Promise<HeldConnection[]> {
  const held = await Promise.all(
    Array.from({ length: count }, () => client.open(WEB.clusterIP, 80, { timeoutMs: 10_000 })),
  );
  for (const each of held) await each.echo("x".repeat(bytes), 10_000);
  return held;
}

it("counts connections, bytes and times exactly, whichever address was dialled", async () => {
  const held = await openMany(40, 100);
  await untilMetrics("web", { connections_opened: 40, connections_active: 40 });
  for (const each of held.slice(10)) await each.close();
  await untilMetrics("web", {
    connections_opened: 40,
    connections_active: 10,
    received_bytes: 3000,
    sent_bytes: 3000,
    connect_duration_seconds_count: 30,
    connection_duration_seconds_count: 30,
  });
  const results = await client.dial(node.address, 30080, { tries: 20 });
  expect([...new Set(results.map(({ outcome }) => outcome))]).toEqual(["answered"]);
  for (const each of held.slice(0, 10)) await each.close();
  await untilMetrics("web", { connections_opened: 60, connections_active: 0 });
  const series = await metricsOf(node);
  const labels = { namespace: "test", service: "web", port: "80", protocol: "TCP" };
  expect(series.find(({ name }) => name === "portico_service_connections_opened_total")).toEqual(
    expect.objectContaining({ labels }),
  );
  expect(numbersOf(series, "unused")).toEqual({});
});

it("counts what failed, by its reason", async () => {
  await client.dial(BROKEN.clusterIP, 80, { tries: 7 });
  await client.dial(SILENT.clusterIP, 80, { tries: 1, timeoutMs: 30_000 });
  await untilMetrics("broken", {
    connections_opened: 7,
    connections_active: 0,
    "connections_failed refused": 7,
  });
  await untilMetrics("silent", {
    connections_opened: 1,
    connections_active: 0,
    "connections_failed timeout": 1,
  });
});

it("counts bytes and datagrams of UDP", async () => {
  for (let i = 0; i < 9; i++) {
    await client.dial(DNS.clusterIP, 53, { protocol: "UDP", bytes: 100 });
  }
  await untilMetrics("dns", {
    received_datagrams: 9,
    sent_datagrams: 9,
    received_bytes: 900,
  });
});

it("loses nothing when a plugin takes over, nor when the controller starts anew", async () => {
  const before = numbersOf(await metricsOf(node), "web");
  const held = await openMany(12, 10);
  const file = join(portico.runDirectory, "next.wasm");
  writeFileSync(file, withOtherBuild(await readFile(shippedPlugin()), "next"));
  const { code, stderr } = await portico.command("plugin", "load", file);
  expect(code, stderr).toBe(0);
  const later = await openMany(12, 10);
  await untilMetrics("web", {
    connections_opened: (before.connections_opened ?? 0) + 24,
    connections_active: 24,
  });
  for (const each of [...held, ...later]) await each.close();
  await portico.end("SIGKILL");
  await portico.start(["--service-cidr", "10.96.0.0/16", "--envoy-concurrency", "2"]);
  await portico.synced(30_000);
  await untilMetrics("web", {
    connections_opened: (before.connections_opened ?? 0) + 24,
    connections_active: 0,
    received_bytes: (before.received_bytes ?? 0) + 240,
  });
});

it("goes on with the totals when another Envoy takes over", async () => {
  const before = numbersOf(await metricsOf(node), "web");
  const held = await openMany(6, 10);
  const { code, stderr } = await portico.command("envoy", "replace");
  expect(code, stderr).toBe(0);
  const later = await openMany(6, 10);
  const opened = (before.connections_opened ?? 0) + 12;
  await untilMetrics("web", { connections_opened: opened, connections_active: 12 });
  for (const each of held.slice(3)) await each.close();
  for (const each of later) await each.close();
  await untilMetrics("web", {
    connections_opened: opened,
    connections_active: 3,
    received_bytes: (before.received_bytes ?? 0) + 90,
  });
  for (const each of held.slice(0, 3)) await each.close();
  await eventually("the former Envoy's end", 30_000, async () => {
    const { stdout } = await portico.command("envoy", "status", "-o", "json");
    return JSON.parse(stdout).draining === null;
  });
  await untilMetrics("web", { connections_opened: opened, connections_active: 0 });
});

it("has no series of a Service that is gone, and begins anew when it comes back", async () => {
  write(WEB, SILENT);
  await eventually("no series of it", 20_000, async () => {
    const numbers = numbersOf(await metricsOf(node), "broken");
    return Object.keys(numbers).length === 0;
  });
  expect(numbersOf(await metricsOf(node), "web")).not.toEqual({});
  let tries = 0;
  const isServed = async () => {
    tries++;
    const { outcome } = await client.dialOnce(BROKEN.clusterIP, 80, { timeoutMs: 500 });
    return outcome === "eof" || outcome === "reset";
  };
  await eventually("nobody there", 20_000, async () => !(await isServed()));
  tries = 0;
  write(WEB, BROKEN, SILENT);
  await eventually("the Service again", 20_000, isServed);
  // A try of ours may have been too impatient, and counts all the same.
  await eventually("its numbers", 20_000, async () => {
    const { connections_opened: opened = 0 } = numbersOf(await metricsOf(node), "broken");
    return opened >= 1 && opened <= tries;
  });
});

it("counts backends where that is wanted, and nothing where it is not", async () => {
  const args = ["--service-cidr", "10.96.0.0/16", "--envoy-concurrency", "2"];
  await portico.end("SIGKILL");
  await portico.start([...args, "--service-metrics", "backend"]);
  await portico.synced(30_000);
  await client.dial(WEB.clusterIP, 80, { tries: 30 });
  await eventually("numbers of backends", 20_000, async () => {
    const series = await metricsOf(node);
    const opened = series.filter(({ name }) => name === "portico_backend_connections_opened_total");
    const backends = opened.map(({ labels }) => labels.backend).sort();
    const sum = opened.reduce((so, { value }) => so + value, 0);
    return backends.join() === "10.1.1.21:8080,10.1.1.22:8080" && sum === 30;
  });
  await portico.end("SIGKILL");
  await portico.start([...args, "--service-metrics", "off"]);
  await portico.synced(30_000);
  const names = (await metricsOf(node)).map(({ name }) => name);
  expect(names.filter((name) => /^portico_(service|backend)_/.test(name))).toEqual([]);
});
