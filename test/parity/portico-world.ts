// The world that Portico serves, one on each served node, with an Envoy each; its configuration is
// kube-proxy's.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runPaths } from "../../controller/config/run-options.ts";
import { TableClient } from "../../controller/table/client.ts";
import { findEnvoy } from "../../envoy/find.ts";
import { RunningProgram } from "../cluster/program.ts";
import type { Cluster, ClusterNode } from "../namespaces/cluster.ts";
import type { PodNetwork } from "../namespaces/pod-network.ts";
import { configurationOf } from "./configuration.ts";
import { markOf } from "./marker.ts";
import { type Surroundings, World } from "./world.ts";

const COMMAND = new URL("../../controller/cli/main.ts", import.meta.url).pathname;

interface Served {
  node: ClusterNode;
  runDirectory: string;
  table: TableClient;
  program: RunningProgram;
}

export class PorticoWorld extends World {
  readonly name = "Portico";
  /** In /run because a socket's path has 107 bytes at most. */
  readonly #directory = mkdtempSync("/run/portico-parity-");
  readonly #served: Served[] = [];

  private constructor(cluster: Cluster) {
    super(cluster);
  }

  static async make(podNetwork?: PodNetwork): Promise<PorticoWorld> {
    return new PorticoWorld(await World.lab(podNetwork));
  }

  async startProxies(surroundings: Surroundings): Promise<void> {
    const { kubeconfig, leadInto, configuration, porticoFlags } = surroundings;
    const envoy = await findEnvoy(process.env, console.log);
    for (const node of this.servedNodes()) {
      await leadInto(node);
      const runDirectory = join(this.#directory, node.label);
      const enter = ["nsenter", `--net=/run/netns/${node.name}`, "--", "env", `ENVOY=${envoy}`];
      const config = join(this.#directory, `${node.label}.json`);
      writeFileSync(config, configurationOf(node.label, kubeconfig, configuration));
      const flags = ["--config", config, "--with-envoy", "--run-dir", runDirectory];
      const run = [process.execPath, COMMAND, "run", ...flags, ...porticoFlags];
      const log = join(this.#directory, `${node.label}.log`);
      const program = new RunningProgram(`Portico on ${node.label}`, [...enter, ...run], log);
      const table = new TableClient(runPaths(runDirectory).tableSocket);
      this.#served.push({ node, runDirectory, table, program });
    }
  }

  async isSettled(count: number): Promise<boolean> {
    const asked = this.#served.map((served) => hasMark(served, count).catch(() => false));
    return (await Promise.all(asked)).every((has) => has);
  }

  assertRunning(): void {
    for (const { program } of this.#served) program.assertRunning();
  }

  override async close(): Promise<void> {
    for (const { table } of this.#served) table.close();
    await Promise.all(this.#served.map(({ program }) => program.end()));
    await super.close(); // ends Envoy, which lives in the namespaces
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/**
 * The mark is in the table and in the kernel, and its predecessor is no longer in the kernel. What
 * a sync does after that is done when the next mark is settled.
 */
async function hasMark({ node, table }: Served, count: number): Promise<boolean> {
  const mark = markOf("IPv4", count);
  const { records } = await table.dump();
  const record = records.find(({ address, port }) => {
    return address === mark.address && port === mark.port;
  });
  if (!record?.backends.some(({ port }) => port === mark.endpointPort)) return false;
  const { stdout } = await node.exec("nft", ["list", "map", "inet", "portico", "frontends_v4"]);
  const marks = [...stdout.matchAll(/(\S+) \. tcp \. (\d+) :/g)];
  const ports = marks.filter(([, address]) => address === mark.address).map(([, , port]) => port);
  return ports.length === 1 && ports[0] === String(mark.port);
}
