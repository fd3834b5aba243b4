// kube-proxy in nftables mode with its defaults: a second at least between two syncs.

import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { configurationOf } from "../../parity/configuration.ts";
import { NODE_NAME } from "../synthetic-cluster.ts";
import { type ProxyWorld, ServiceProxy } from "./service-proxy.ts";
import type { World } from "./world.ts";

/** Of the Pods, for both proxies. */
export const CLUSTER_CIDR = "10.1.0.0/16";

export class KubeProxy<W extends ProxyWorld = World> extends ServiceProxy<W> {
  readonly name = "kube-proxy";
  readonly paceMs = 2_500;
  readonly #program: string;
  readonly #directory = mkdtempSync(join(tmpdir(), "portico-bench-kube-proxy-"));

  /** `program` is kube-proxy's path. */
  constructor(world: W, program: string, kubeconfig: string) {
    super(world);
    this.#program = program;
    const changes = { clusterCIDR: CLUSTER_CIDR, nftables: {} };
    writeFileSync(this.#config, configurationOf(NODE_NAME, kubeconfig, changes));
  }

  get #config(): string {
    return join(this.#directory, "config.json");
  }

  override async start(): Promise<void> {
    this.run([this.#program, "--config", this.#config], join(this.#directory, "log"));
  }

  override async clean(): Promise<void> {
    for (const family of ["ip", "ip6"]) {
      const args = ["delete", "table", family, "kube-proxy"];
      await this.world.node.exec("nft", args, { allowFailure: true });
    }
  }

  override envoy(): undefined {
    return undefined;
  }
}
