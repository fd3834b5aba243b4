// Portico as it ships: build/portico with its own first line's flags for Node, and Envoy.

import { mkdirSync, readFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { findEnvoy } from "../../../envoy/find.ts";
import { progress } from "../progress.ts";
import { NODE_NAME } from "../synthetic-cluster.ts";
import { CLUSTER_CIDR } from "./kube-proxy.ts";
import { INSPECTOR } from "./profile.ts";
import { type ProxyWorld, ServiceProxy } from "./service-proxy.ts";
import type { World } from "./world.ts";

/** Of this checkout. */
export const COMMAND = new URL("../../../build/portico", import.meta.url).pathname;

interface PorticoOptions {
  name: "portico" | "before";
  /** The built command; its plugin is next to it. */
  command: string;
  /** Its own, with a short path. */
  directory: string;
  kubeconfig: string;
  /** It can be profiled (profile.ts). */
  inspected: boolean;
  /** More flags of `portico run`; absent: none. */
  flags?: readonly string[];
}

export class Portico<W extends ProxyWorld = World> extends ServiceProxy<W> {
  readonly name: "portico" | "before";
  readonly paceMs = 1_000;
  readonly #options: PorticoOptions;

  constructor(world: W, options: PorticoOptions) {
    super(world);
    this.name = options.name;
    this.#options = options;
    mkdirSync(this.#runDirectory, { recursive: true });
  }

  get #runDirectory(): string {
    return join(this.#options.directory, "run");
  }

  get logFile(): string {
    return join(this.#options.directory, "log");
  }

  override async start(): Promise<void> {
    const { command, kubeconfig, inspected, flags: more = [] } = this.#options;
    const envoy = await findEnvoy(process.env, progress);
    const path = [dirname(process.execPath), process.env.PATH].join(delimiter);
    const variables = [`ENVOY=${envoy}`, `PATH=${path}`];
    if (inspected) variables.push(`NODE_OPTIONS=--inspect=${INSPECTOR}`);
    const flags = [
      ...["--kubeconfig", kubeconfig, "--node-name", NODE_NAME],
      ...["--with-envoy", "--run-dir", this.#runDirectory],
      ...["--detect-local-mode", "ClusterCIDR", "--cluster-cidr", CLUSTER_CIDR],
      ...more,
    ];
    this.run(["env", ...variables, command, "run", ...flags], this.logFile);
  }

  override async clean(): Promise<void> {
    const args = [this.#options.command, "cleanup", "--run-dir", this.#runDirectory];
    await this.world.node.exec(process.execPath, args);
  }

  override envoy(): number | undefined {
    try {
      return Number(readFileSync(join(this.#runDirectory, "a/envoy.pid"), "utf8"));
    } catch {
      return undefined;
    }
  }
}
