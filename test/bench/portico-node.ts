// Portico on a node of namespaces as `portico run` puts it together, less the watches: the state is
// given, and a sync happens when it is asked for, so that it can be timed.

import { mkdir, readFile } from "node:fs/promises";
import { shippedPlugin } from "../../controller/config.ts";
import {
  listenerGateway,
  listenWhenAdmitted,
  tableGateway,
} from "../../controller/daemon/data-plane.ts";
import type { ClusterState } from "../../controller/model/cluster-state.ts";
import { NodeFollower } from "../../controller/node/follow-cluster.ts";
import { Reconciler } from "../../controller/sync/reconcile.ts";
import { TargetTable } from "../../controller/sync/target-table.ts";
import { TableClient } from "../../controller/table/client.ts";
import { PluginRollout } from "../../controller/xds/plugin-rollout.ts";
import { XdsServer } from "../../controller/xds/server.ts";
import { TABLE_SOCKET, XDS_SOCKET } from "../../envoy/bootstrap.ts";
import { startEnvoy } from "../../envoy/process.ts";
import type { ClusterNode } from "../namespaces/cluster.ts";
import { CAPTURE_PORTS, kernelOf } from "./kernel.ts";
import { progress } from "./progress.ts";
import { NODE_NAME } from "./synthetic-cluster.ts";
import { until } from "./until.ts";

export interface PorticoNodeOptions {
  node: ClusterNode;
  /** All kinds synced. */
  state: ClusterState;
  /** The program. */
  envoy: string;
  /** Made when it does not exist. */
  runDirectory: string;
  workers: number;
}

const LOG = {
  info: () => {},
  warn: (fields: object, message: string) => progress(`${message} ${JSON.stringify(fields)}`),
};

export class PorticoNode {
  readonly table: TableClient;
  /** Of Envoy. */
  readonly pid: number;
  readonly #xds: XdsServer;
  readonly #follower: NodeFollower;
  readonly #target = new TargetTable();
  readonly #reconciler: Reconciler;

  private constructor(
    options: PorticoNodeOptions,
    xds: XdsServer,
    table: TableClient,
    pid: number,
  ) {
    this.table = table;
    this.pid = pid;
    this.#xds = xds;
    this.#follower = new NodeFollower(options.state, {
      nodeName: NODE_NAME,
      serviceProxyName: undefined,
      serviceCIDRs: [],
    });
    this.#reconciler = new Reconciler({
      table: tableGateway(table),
      listeners: listenerGateway(xds),
      capture: kernelOf(options.node),
    });
  }

  /** Envoy runs and its table endpoint answers; nothing is programmed yet. */
  static async start(options: PorticoNodeOptions): Promise<PorticoNode> {
    const { node, envoy, runDirectory, workers } = options;
    await mkdir(runDirectory, { recursive: true });
    const xds = new XdsServer({ socketPath: `${runDirectory}/${XDS_SOCKET}`, log: LOG });
    const table = new TableClient(`${runDirectory}/${TABLE_SOCKET}`);
    const rollout = new PluginRollout({ xds, table, pushSnapshot: async () => {} });
    await rollout.begin(await readFile(shippedPlugin()));
    await listenWhenAdmitted(xds, CAPTURE_PORTS);
    await xds.start();
    // It ends with its namespace.
    const pid = await startEnvoy({
      runDirectory,
      nodeId: NODE_NAME,
      binary: envoy,
      concurrency: workers,
      launcher: ["nsenter", `--net=/run/netns/${node.name}`, "--"],
    });
    const answers = () =>
      table.version().then(
        () => true,
        () => false,
      );
    await until("Envoy's table endpoint answers", answers);
    return new PorticoNode(options, xds, table, pid);
  }

  /** Brings the whole data plane to the state, as one sync of the controller does. */
  async sync(): Promise<void> {
    const { upserted, removed, capture, problems } = this.#follower.update();
    if (problems[0]) throw new Error(`${problems[0].object}: ${problems[0].message}`);
    this.#reconciler.markChanged(this.#target.apply(upserted, removed));
    await this.#reconciler.reconcile({ table: this.#target.entries, capture }, false);
  }

  async stop(): Promise<void> {
    await this.#xds.stop();
    this.table.close();
  }
}
