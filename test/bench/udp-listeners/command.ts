// bench udp-listeners: what UDP frontends cost that are added to many, once Envoy has acknowledged
// them: its main thread, its workers and memory, and the controller's xDS server.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Command } from "commander";
import { DEFAULT_CAPTURE_OPTIONS } from "../../../controller/capture/options.ts";
import { columns } from "../../../controller/cli/output.ts";
import { integerBetween } from "../../../controller/config/flag-values.ts";
import { shippedPlugin } from "../../../controller/config/run-options.ts";
import { EnvoyListeners } from "../../../controller/plane/envoy-listeners.ts";
import { TableClient } from "../../../controller/table/client.ts";
import { XdsTimeoutError } from "../../../controller/xds/errors.ts";
import { PluginDelivery } from "../../../controller/xds/plugin-delivery.ts";
import { XdsServer } from "../../../controller/xds/server.ts";
import { DEFAULT_TCP_OPTIONS } from "../../../controller/xds/tcp-options.ts";
import type { UdpCluster, UdpListener, UdpTarget } from "../../../controller/xds/udp-target.ts";
import { TABLE_SOCKET, XDS_SOCKET } from "../../../envoy/bootstrap.ts";
import { findEnvoy } from "../../../envoy/find.ts";
import { startEnvoy } from "../../../envoy/process.ts";
import { makeNode } from "../../namespaces/cluster.ts";
import { CAPTURE_PORTS } from "../kernel.ts";
import { busyWarning, machine } from "../machine.ts";
import { residentBytes } from "../process-cost.ts";
import { progress } from "../progress.ts";
import { summarize } from "../statistics.ts";
import { until } from "../until.ts";

interface Options {
  existing: string;
  added: number;
  rounds: number;
  workers: number;
}

/** CPU time, ms. */
interface Cost {
  main: number;
  workers: number;
  controller: number;
}

export function udpListenersCommand(): Command {
  return new Command("udp-listeners")
    .description("UDP frontends that are added to many: Envoy's CPU and the controller's")
    .option("--existing <numbers>", "frontends that are there already, ascending", "0,2000,5000")
    .option("--added <number>", "frontends a round", integerBetween(1, 1_000), 100)
    .option("--rounds <number>", "for each number", integerBetween(1, 100), 3)
    .option("--workers <number>", "threads of Envoy", integerBetween(1, 64), 2)
    .action(run);
}

async function run(options: Options): Promise<void> {
  progress([machine(), busyWarning()].filter(Boolean).join("\n"));
  const { cluster, node } = await makeNode({ name: "a" });
  const directory = mkdtempSync(join(tmpdir(), "portico-bench-"));
  const log = { info: () => {}, warn: (_: object, text: string) => progress(text) };
  const xds = new XdsServer({ socketPath: join(directory, XDS_SOCKET), log });
  const table = new TableClient(join(directory, TABLE_SOCKET));
  const delivery = new PluginDelivery({
    xds,
    table,
    pushSnapshot: async () => {},
    tcp: DEFAULT_TCP_OPTIONS,
  });
  await delivery.begin(await readFile(shippedPlugin()));
  const listeners = new EnvoyListeners({
    xds,
    directory,
    ports: CAPTURE_PORTS,
    mark: DEFAULT_CAPTURE_OPTIONS.markBit,
    tcp: DEFAULT_TCP_OPTIONS,
    serve: () => delivery.serve(),
  });
  await xds.start();
  const envoy = await startEnvoy({
    runDirectory: directory,
    nodeId: "a",
    binary: await findEnvoy(process.env, progress),
    concurrency: options.workers,
    launcher: ["nsenter", `--net=/run/netns/${node.name}`, "--"],
  });
  try {
    await until("Envoy asks for listeners", async () =>
      xds.connections().some((each) => each.asksForListeners),
    );
    const rows: string[][] = [];
    let count = 0;
    for (const existing of options.existing.split(",").map(Number)) {
      await grow(existing);
      progress(`${existing} frontends`);
      const costs: Cost[] = [];
      for (let round = 0; round < options.rounds; round++) {
        const before = await settled(envoy);
        await grow(count + options.added);
        costs.push(difference(await settled(envoy), before));
      }
      const median = (of: (cost: Cost) => number) => summarize(costs.map(of)).median.toFixed(0);
      rows.push([
        String(existing),
        ...[median(({ main }) => main), median(({ workers }) => workers)],
        ...[median(({ controller }) => controller), (residentBytes(envoy) / 2 ** 20).toFixed(0)],
      ]);
    }
    async function grow(to: number): Promise<void> {
      const target = targetOf(to);
      // A busy machine takes longer than the server waits; what was set stays set.
      for (;;) {
        const error = await listeners
          .now()
          .add(target)
          .then(
            () => undefined,
            (reason) => reason,
          );
        if (error === undefined) break;
        if (!(error instanceof XdsTimeoutError)) throw error;
        progress(error.message);
      }
      count = to;
    }
    const heading = ["EXISTING", "MAIN ms", "WORKERS ms", "CONTROLLER ms", "MiB"];
    process.stdout.write(`${columns([heading, ...rows])}\n`);
  } finally {
    await xds.stop();
    table.close();
    process.kill(envoy, "SIGKILL");
    await cluster.close();
    rmSync(directory, { recursive: true });
  }
}

const made = new Map<number, { listener: UdpListener; cluster: UdpCluster }>();

function frontend(index: number) {
  const known = made.get(index);
  if (known) return known;
  const address = `10.${100 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
  const at = `240.1.${(index >> 8) & 255}.${index & 255}`;
  const name = `udp/namespace-${index % 50}/service-${index}/dns/IPv4/internal`;
  const cluster: UdpCluster = {
    name,
    hasAffinity: false,
    leaving: [],
    backends: [{ address: "10.1.1.1", port: 1_000 + (index % 60_000), local: true }],
  };
  const listener: UdpListener = {
    name: `udp-masquerade/${address}:53/UDP/${at}`,
    frontend: `${address}:53/UDP`,
    service: `namespace-${index % 50}/service-${index}`,
    portName: "dns",
    kind: "masquerade",
    keepsSource: true,
    address: at,
    cluster: name,
    idleTimeoutSeconds: 35,
    hasAffinity: false,
  };
  const both = { listener, cluster };
  made.set(index, both);
  return both;
}

function targetOf(count: number): UdpTarget {
  const all = Array.from({ length: count }, (_, index) => frontend(index));
  const order = <T extends { name: string }>(a: T, b: T) => (a.name < b.name ? -1 : 1);
  const listeners = all.map(({ listener }) => listener).sort(order);
  const clusters = all.map(({ cluster }) => cluster).sort(order);
  return {
    listeners: new Map(listeners.map((each) => [each.name, each])),
    clusters: new Map(clusters.map((each) => [each.name, each])),
    takeChanges: () => undefined,
  };
}

/** Once nothing has run for 100 ms: what Envoy's threads do after they acknowledged counts too. */
async function settled(pid: number): Promise<Cost> {
  let before = costOf(pid);
  for (;;) {
    await delay(100);
    const after = costOf(pid);
    const spent = difference(after, before);
    if (spent.main + spent.workers < 10) return after;
    before = after;
  }
}

function costOf(pid: number): Cost {
  const cost = { main: 0, workers: 0, controller: 0 };
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const [ns] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ");
    cost[Number(thread) === pid ? "main" : "workers"] += Number(ns) / 1e6;
  }
  const { user, system } = process.cpuUsage();
  return { ...cost, controller: (user + system) / 1_000 };
}

function difference(after: Cost, before: Cost): Cost {
  return {
    main: after.main - before.main,
    workers: after.workers - before.workers,
    controller: after.controller - before.controller,
  };
}
