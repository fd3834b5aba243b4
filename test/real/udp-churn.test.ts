// Services with many UDP ports that come and go, round after round: what is removed costs Envoy
// nothing afterwards, and the traffic of others does not notice. And what may change of the TCP
// listeners changes without a connection lost.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from "vitest";
import { askAdmin } from "../../envoy/admin.ts";
import { residentBytes } from "../bench/process-cost.ts";
import { eventually } from "../eventually.ts";
import type { KubernetesObject } from "./portico-fixture.ts";
import { ALL, expectNoFailure, UpgradeLab, VIP } from "./upgrade-lab.ts";

const ROUNDS = 20;
const PORTS = 500;
/** One that keeps the source address, and one that does not. */
const LISTENERS_PER_PORT = 2;
const VIP_OF_MANY = "10.96.7.7";
/** Of the machine, when others are at work; nothing here is asserted to be fast. */
const PATIENCE_MS = 60_000;

let lab: UpgradeLab;
beforeAll(async () => {
  lab = await UpgradeLab.make();
  lab.args = [...lab.args, "--cluster-cidr", "10.1.0.0/16", "--envoy-concurrency", "2"];
  await lab.start();
});
afterAll(() => lab?.close());
beforeEach((context) => {
  onTestFinished(() => {
    if (context.task.result?.state === "fail") console.log(lab.portico.log.slice(-6_000));
  });
});

function serviceOfManyPorts(first: number): KubernetesObject[] {
  const numbers = Array.from({ length: PORTS }, (_, index) => first + index);
  const metadata = { name: "many", namespace: "test" };
  const slice = { labels: { "kubernetes.io/service-name": "many" } };
  const named = numbers.map((port) => ({ name: `p${port}`, protocol: "UDP", port }));
  return [
    {
      apiVersion: "v1",
      kind: "Service",
      metadata,
      spec: { clusterIP: VIP_OF_MANY, clusterIPs: [VIP_OF_MANY], ports: named },
    },
    {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      addressType: "IPv4",
      metadata: { ...metadata, name: "many-1", ...slice },
      ports: named.map(({ name, protocol }) => ({ name, protocol, port: 8080 })),
      endpoints: [{ addresses: [lab.node.pod("web").address], nodeName: "node-1" }],
    },
  ];
}

type ListenerCounts = Record<"active" | "draining" | "modified" | "removed", number>;

async function listeners(): Promise<ListenerCounts> {
  const socket = join(lab.portico.runDirectory, "admin.sock");
  const path = "/stats?filter=^listener_manager\\.(total_)?listener";
  const { body } = await askAdmin(socket, path, PATIENCE_MS);
  const value = (name: string) => Number(new RegExp(`${name}: (\\d+)`).exec(body)?.[1]);
  return {
    active: value("total_listeners_active"),
    draining: value("total_listeners_draining"),
    modified: value("listener_modified"),
    removed: value("listener_removed"),
  };
}

async function untilListeners(wanted: Partial<ListenerCounts>): Promise<void> {
  await eventually(`listeners: ${JSON.stringify(wanted)}`, PATIENCE_MS, async () => {
    const present = await listeners().catch(() => undefined);
    return present !== undefined && Object.entries({ ...present, ...wanted }).every(isSameIn);
    function isSameIn([name, value]: [string, number]): boolean {
      return present?.[name as keyof ListenerCounts] === value;
    }
  });
}

/** Envoy has its listeners before the kernel leads to them. */
async function untilAnswered(port: number): Promise<void> {
  const dialer = await lab.node.pod("client").dialer();
  const query = { protocol: "UDP", timeoutMs: 500 } as const;
  await eventually(`an answer from port ${port}`, PATIENCE_MS, async () => {
    return (await dialer.dialOnce(VIP_OF_MANY, port, query)).outcome === "answered";
  });
}

/** CPU of Envoy's main thread so far, ms: finer than clock ticks, and it has no other threads'. */
function mainThreadMs(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, "utf8").split(" ")[0]) / 1e6;
}

function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

it("costs what it costs the first time, and nothing afterwards", async () => {
  const pid = await lab.pid();
  const { active } = await listeners();
  const connections = await lab.longLived();
  onTestFinished(() => connections.close());
  const rounds: { addMs: number; removeMs: number; descriptors: number; mebibytes: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const begin = mainThreadMs(pid);
    lab.portico.write(lab.objects(serviceOfManyPorts(1_000 + round * PORTS)));
    await untilListeners({ active: active + PORTS * LISTENERS_PER_PORT });
    const middle = mainThreadMs(pid);
    lab.portico.write(lab.objects());
    await untilListeners({ active, draining: 0 });
    rounds.push({
      addMs: Math.round(middle - begin),
      removeMs: Math.round(mainThreadMs(pid) - middle),
      descriptors: descriptorsOf(pid),
      mebibytes: Math.round(residentBytes(pid) / 2 ** 20),
    });
  }
  console.table(rounds);
  expect((await listeners()).removed).toBeGreaterThanOrEqual(ROUNDS * PORTS * LISTENERS_PER_PORT);
  // Connections and flows of others come and go; sockets of listeners do not stay.
  const descriptors = rounds.map((round) => round.descriptors);
  expect(Math.max(...descriptors) - Math.min(...descriptors)).toBeLessThan(PORTS / 5);
  const costs = rounds.map(({ addMs, removeMs }) => addMs + removeMs);
  expect(sum(costs.slice(-5))).toBeLessThan(2 * sum(costs.slice(0, 5)));
  expect(await connections.living(true)).toEqual(ALL);
}, 600_000);

it("is not noticed by what others have", async () => {
  const { active } = await listeners();
  const connections = await lab.longLived();
  onTestFinished(() => connections.close());
  const load = await lab.load();
  for (let round = 0; round < 2; round++) {
    lab.portico.write(lab.objects(serviceOfManyPorts(20_000)));
    await untilListeners({ active: active + PORTS * LISTENERS_PER_PORT });
    for (const port of [20_000, 20_000 + PORTS - 1]) await untilAnswered(port);
    lab.portico.write(lab.objects());
    await untilListeners({ active, draining: 0 });
  }
  expect(await connections.living(true)).toEqual(ALL);
  expectNoFailure("a Service that comes and goes", await load.stop());
}, 300_000);

it("TCP listeners stay when a controller with other options takes over", async () => {
  const connections = await lab.longLived();
  onTestFinished(() => connections.close());
  const before = await listeners();
  const args = lab.args;
  for (const other of [
    ["--flow-log", "/dev/null"],
    // Envoy gets other clusters.
    ["--connect-timeout", "7s"],
    ["--capture-ports", "15501,15502,15503,15504"],
  ]) {
    await lab.portico.end("SIGKILL");
    lab.args = [...args, ...other];
    await lab.start();
    // UDP listeners have the flow log in them, and are not what this is about.
    await untilListeners({ draining: 0 });
    expect(await connections.living(true)).toEqual(ALL);
    const dialer = await lab.node.pod("client").dialer();
    expect((await dialer.dialOnce(VIP, 80)).outcome).toBe("answered");
  }
  const socket = join(lab.portico.runDirectory, "admin.sock");
  const { body } = await askAdmin(socket, "/listeners");
  const tcp = body.match(/^capture-.*::0\.0\.0\.0:\d+$/gm) ?? [];
  expect(tcp).toHaveLength(8);
  expect((await listeners()).removed).toBe(before.removed);
}, 120_000);
