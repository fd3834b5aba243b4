// Where a campaign takes place: the lab of test/parity with an agent in each namespace, a real
// control plane with a proxy before it, and Portico on node-1, whose controller is started again
// when it ends, as systemd or the kubelet does. What the faults are done to.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { runPaths } from "../../controller/config/run-options.ts";
import { TableClient } from "../../controller/table/client.ts";
import { ControlPlane } from "../cluster/control-plane.ts";
import type { Cluster, ClusterNode } from "../namespaces/cluster.ts";
import { ApiWriter } from "../parity/api-writer.ts";
import { InhabitedLab } from "../parity/inhabited-lab.ts";
import { CLUSTER_CIDRS, SERVICE_CIDRS } from "../parity/lab.ts";
import { WayToApi } from "../parity/way-to-api.ts";
import { PorticoProcess } from "../real/portico-fixture.ts";
import { ApiProxy } from "./api-proxy.ts";
import { firstModel, type Model, type ModelService, objectsOf } from "./model.ts";
import { Wrappers } from "./wrappers.ts";

/** As systemd's RestartSec, and shorter. */
const RESTART_MS = 500;
const SYNC_PERIOD = "2s";
/** Room for what Portico writes; the rest is what a fault fills. */
const RUN_DIRECTORY_SIZE = "32m";
const READY_MS = 60_000;

type Close = () => Promise<void> | void;

interface Parts {
  plane: ControlPlane;
  api: ApiProxy;
  writer: ApiWriter;
  closers: Close[];
}

export class Stand extends InhabitedLab {
  readonly model: Model = firstModel();
  readonly portico: PorticoProcess;
  readonly plane: ControlPlane;
  readonly api: ApiProxy;
  readonly wrappers: Wrappers;
  readonly #writer: ApiWriter;
  readonly #closers: Close[];
  /** The last line of the log for each time that the controller ended and was not to. */
  readonly unexpectedEnds: string[] = [];
  /** While it is positive, the controller is not started again. */
  #holds = 0;
  #isClosed = false;
  #supervised: Promise<void> = Promise.resolve();

  private constructor(cluster: Cluster, parts: Parts) {
    super(cluster);
    this.plane = parts.plane;
    this.api = parts.api;
    this.#writer = parts.writer;
    this.#closers = parts.closers;
    const server = `https://127.0.0.1:${this.api.port}`;
    this.portico = new PorticoProcess(
      cluster.node("node-1"),
      this.plane.kubeconfigFile("proxy", server),
    );
    const directory = mkdtempSync("/run/portico-campaign-");
    this.#closers.push(() => rmSync(directory, { recursive: true, force: true }));
    this.wrappers = new Wrappers(join(directory, "bin"));
  }

  /** Resolves when everything runs and serves the first model. */
  static async open(): Promise<Stand> {
    const closers: Close[] = [];
    try {
      const serviceClusterIPRange = SERVICE_CIDRS.join(",");
      const plane = await ControlPlane.start({ serviceClusterIPRange });
      closers.push(() => plane.stop());
      const api = await ApiProxy.before(plane.server, plane.servingCertificate);
      closers.push(() => api.close());
      const writer = new ApiWriter(plane);
      closers.push(() => writer.close());
      const way = await WayToApi.open(api.port);
      closers.push(() => way.close());
      const cluster = await Stand.lab();
      closers.push(() => cluster.close());
      await way.leadInto(cluster.node("node-1"));
      const stand = new Stand(cluster, { plane, api, writer, closers });
      await stand.#start();
      return stand;
    } catch (error) {
      await closeAll(closers);
      throw error;
    }
  }

  async #start(): Promise<void> {
    const { runDirectory } = this.portico;
    mkdirSync(runDirectory);
    const options = `size=${RUN_DIRECTORY_SIZE},mode=0700`;
    execFileSync("mount", ["-t", "tmpfs", "-o", options, "portico-campaign", runDirectory]);
    this.#closers.push(() => void execFileSync("umount", ["--lazy", runDirectory]));
    await this.startAgents();
    await this.#writer.writeBase();
    for (const each of this.model.values()) await this.write(each);
    this.#supervised = this.#supervise();
    await this.portico.synced(READY_MS);
  }

  async #supervise(): Promise<void> {
    while (!this.#isClosed) {
      if (this.#holds > 0) {
        await delay(RESTART_MS / 10);
        continue;
      }
      await this.portico.start(
        [
          ...["--detect-local-mode", "ClusterCIDR", "--cluster-cidr", CLUSTER_CIDRS.join(",")],
          ...["--sync-period", SYNC_PERIOD, "--nodeport-addresses", "192.0.2.0/24,fd00:2::/64"],
          ...["--envoy-concurrency", "2"],
        ],
        { PATH: `${this.wrappers.directory}:${process.env.PATH}` },
      );
      await this.portico.ended();
      if (this.#isClosed || this.#holds > 0) continue;
      this.unexpectedEnds.push(this.portico.log.trimEnd().split("\n").at(-1) ?? "");
      await delay(RESTART_MS);
    }
  }

  get served(): ClusterNode {
    return this.node("node-1");
  }

  /** Ends the controller, and keeps it down until the function that is returned is called. */
  async stopController(signal: NodeJS.Signals): Promise<() => void> {
    this.#holds += 1;
    await this.portico.end(signal);
    return () => {
      this.#holds -= 1;
    };
  }

  /** Of the Envoy that gets what is new; undefined when there is none. */
  envoyPid(): number | undefined {
    try {
      const pid = Number(readFileSync(join(this.portico.runDirectory, "envoy.pid"), "utf8"));
      return readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("envoy") ? pid : undefined;
    } catch {
      return undefined;
    }
  }

  /** Brings one Service of the model to the API server. */
  async write(each: ModelService): Promise<void> {
    const objects = objectsOf(each);
    if (each.exists) for (const object of objects) await this.#writer.apply(object);
    else for (const object of objects) await this.#writer.remove(object);
  }

  /** Of the Envoy that gets what is new, which may be another one each time. */
  async readTable(): Promise<{ address: string; port: number; protocol: string }[]> {
    const table = new TableClient(runPaths(this.portico.runDirectory).tableSocket);
    const { records } = await table.dump().finally(() => table.close());
    return records;
  }

  override async close(): Promise<void> {
    this.#isClosed = true;
    await this.portico.end("SIGKILL");
    await this.#supervised;
    await this.portico.command("cleanup");
    await closeAll(this.#closers);
    await this.portico.close();
  }
}

async function closeAll(closers: readonly Close[]): Promise<void> {
  for (const close of [...closers].reverse()) await close();
}
