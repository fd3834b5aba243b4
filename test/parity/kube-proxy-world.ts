// The world that kube-proxy serves, in nftables mode, one on each served node.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RunningProgram } from "../cluster/program.ts";
import type { Cluster, ClusterNode } from "../namespaces/cluster.ts";
import type { PodNetwork } from "../namespaces/pod-network.ts";
import { configurationOf } from "./configuration.ts";
import type { Family } from "./lab.ts";
import { markOf, nftTexts } from "./marker.ts";
import { type Surroundings, World } from "./world.ts";

const NFT_FAMILIES: Record<Family, string> = { IPv4: "ip", IPv6: "ip6" };

export class KubeProxyWorld extends World {
  readonly name = "kube-proxy";
  readonly #program: string;
  readonly #directory = mkdtempSync(join(tmpdir(), "portico-kube-proxy-"));
  readonly #running: RunningProgram[] = [];

  private constructor(cluster: Cluster, program: string) {
    super(cluster);
    this.#program = program;
  }

  /** `program` is kube-proxy's path. */
  static async make(program: string, podNetwork?: PodNetwork): Promise<KubeProxyWorld> {
    return new KubeProxyWorld(await World.lab(podNetwork), program);
  }

  async startProxies({ kubeconfig, leadInto, configuration }: Surroundings): Promise<void> {
    for (const node of this.servedNodes()) {
      await leadInto(node);
      const config = join(this.#directory, `${node.label}.json`);
      writeFileSync(config, configurationOf(node.label, kubeconfig, configuration));
      const enter = ["nsenter", `--net=/run/netns/${node.name}`, "--"];
      const command = [...enter, this.#program, "--config", config];
      const log = join(this.#directory, `${node.label}.log`);
      this.#running.push(new RunningProgram(`kube-proxy on ${node.label}`, command, log));
    }
  }

  async isSettled(count: number): Promise<boolean> {
    const families = Object.keys(NFT_FAMILIES) as Family[];
    const asked = this.servedNodes().flatMap((node) =>
      families.map((family) => hasMark(node, family, count)),
    );
    return (await Promise.all(asked)).every((has) => has);
  }

  assertRunning(): void {
    for (const program of this.#running) program.assertRunning();
  }

  /** The end of what it logged. */
  log(node: string): string {
    return readFileSync(join(this.#directory, `${node}.log`), "utf8").slice(-4_000);
  }

  override async close(): Promise<void> {
    await Promise.all(this.#running.map((program) => program.end()));
    await super.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

async function hasMark(node: ClusterNode, family: Family, count: number): Promise<boolean> {
  const args = ["list", "table", NFT_FAMILIES[family], "kube-proxy"];
  const { stdout } = await node.exec("nft", args, { allowFailure: true });
  return nftTexts(markOf(family, count)).every((text) => stdout.includes(text));
}
