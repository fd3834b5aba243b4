// Portico on a node of namespaces as `portico run` puts it together, less the watches: the state is
// given, and a sync happens when it is asked for, so that it can be timed.

import { mkdir, readFile } from "node:fs/promises";
import { type CaptureOptions, DEFAULT_CAPTURE_OPTIONS } from "../../controller/capture/options.ts";
import { shippedPlugin } from "../../controller/config/run-options.ts";
import type { ClusterState } from "../../controller/model/cluster-state.ts";
import { NodeFollower } from "../../controller/node/follow-cluster.ts";
import type { FrontendSettings } from "../../controller/node/types.ts";
import { EnvoyListeners } from "../../controller/plane/envoy-listeners.ts";
import { tableGateway } from "../../controller/plane/gateways.ts";
import { Reconciler, type TableGateway } from "../../controller/sync/reconcile.ts";
import { TargetTable } from "../../controller/sync/target-table.ts";
import { TargetUdp } from "../../controller/sync/target-udp.ts";
import { TableClient } from "../../controller/table/client.ts";
import type { FlowLogOptions } from "../../controller/xds/flow-log.ts";
import { PluginDelivery } from "../../controller/xds/plugin-delivery.ts";
import { XdsServer } from "../../controller/xds/server.ts";
import { DEFAULT_TCP_OPTIONS, type TcpOptions } from "../../controller/xds/tcp-options.ts";
import { TABLE_SOCKET, XDS_SOCKET } from "../../envoy/bootstrap.ts";
import { startEnvoy } from "../../envoy/process.ts";
import type { ClusterNode } from "../namespaces/cluster.ts";
import { partsWithoutUdp } from "../stand-ins/captured.ts";
import { CAPTURE_PORTS, kernelOf } from "./kernel.ts";
import { progress } from "./progress.ts";
import { NODE_NAME } from "./synthetic-cluster.ts";
import { until } from "./until.ts";

interface PorticoNodeOptions {
  node: ClusterNode;
  /** All kinds synced. */
  state: ClusterState;
  /** The program. */
  envoy: string;
  /** Made when it does not exist. */
  runDirectory: string;
  workers: number;
  extras?: PorticoExtras;
}

/** What the plugin and the listeners are told besides, as `portico run` tells them. */
export interface PorticoExtras {
  plugin?: readonly string[];
  flowLog?: FlowLogOptions;
  /** DEFAULT_TCP_OPTIONS when absent. */
  tcp?: TcpOptions;
  /** What applies to every Service; DEFAULT_SETTINGS when absent. */
  defaults?: FrontendSettings;
  /** Of the kernel's rules. */
  capture?: Partial<CaptureOptions>;
}

const LOG = {
  info: () => {},
  warn: (fields: object, message: string) => progress(`${message} ${JSON.stringify(fields)}`),
};

/** Milliseconds from the moment that a sync was decided upon. */
export interface SyncTimes {
  /** Until it was known what to push. */
  viewMs: number;
  /** Until Envoy had acknowledged the last push; NaN when nothing was pushed. */
  appliedMs: number;
  /** Until Envoy's listeners and the kernel were as they should be, too. */
  totalMs: number;
}

export class PorticoNode {
  readonly table: TableClient;
  /** Of Envoy. */
  readonly pid: number;
  readonly #xds: XdsServer;
  readonly #follower: NodeFollower;
  readonly #target = new TargetTable();
  readonly #udp = new TargetUdp([]);
  readonly #reconciler: Reconciler;
  #appliedAt = Number.NaN;

  private constructor(
    options: PorticoNodeOptions,
    xds: XdsServer,
    table: TableClient,
    listeners: EnvoyListeners,
    pid: number,
  ) {
    this.table = table;
    this.pid = pid;
    this.#xds = xds;
    this.#follower = new NodeFollower(options.state, {
      nodeName: NODE_NAME,
      serviceProxyName: undefined,
      serviceCIDRs: [],
      ...(options.extras?.defaults && { defaults: options.extras.defaults }),
    });
    this.#reconciler = new Reconciler({
      table: this.#timed(tableGateway(table)),
      listeners: () => listeners.now(),
      capture: kernelOf(options.node, options.extras?.capture),
    });
  }

  /** Envoy runs and its table endpoint answers; nothing is programmed yet. */
  static async start(options: PorticoNodeOptions): Promise<PorticoNode> {
    const { node, envoy, runDirectory, workers, extras = {} } = options;
    await mkdir(runDirectory, { recursive: true });
    const xds = new XdsServer({ socketPath: `${runDirectory}/${XDS_SOCKET}`, log: LOG });
    const table = new TableClient(`${runDirectory}/${TABLE_SOCKET}`);
    const tcp = extras.tcp ?? DEFAULT_TCP_OPTIONS;
    const delivery = new PluginDelivery({
      xds,
      table,
      pushSnapshot: async () => {},
      ...(extras.plugin && { options: extras.plugin }),
      tcp,
      flowLog: extras.flowLog,
    });
    await delivery.begin(await readFile(shippedPlugin()));
    const listeners = new EnvoyListeners({
      xds,
      directory: runDirectory,
      ports: CAPTURE_PORTS,
      mark: DEFAULT_CAPTURE_OPTIONS.markBit,
      tcp,
      flowLog: extras.flowLog,
      serve: () => delivery.serve(),
    });
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
    return new PorticoNode(options, xds, table, listeners, pid);
  }

  /** Brings the whole data plane to the state, as one sync of the controller does. */
  async sync(): Promise<SyncTimes> {
    const start = performance.now();
    const { upserted, removed, capture, captureChange, problems } = this.#follower.update();
    const [problem] = [...problems.values()].flat();
    if (problem) throw new Error(`${problem.object}: ${problem.message}`);
    const { records } = this.#target.apply(upserted, removed);
    const options = { masqueradeAll: false, podFamilies: [] };
    const changedBindings = this.#udp.apply(upserted, removed, options);
    this.#reconciler.markChanged(records, { ...captureChange, udpBindings: changedBindings });
    const viewMs = performance.now() - start;
    this.#appliedAt = Number.NaN;
    const { target: udp, bindings: udpBindings } = this.#udp;
    const kernel = { ...partsWithoutUdp(capture), udpBindings };
    await this.#reconciler.reconcile({ table: this.#target.entries, udp, kernel }, false);
    return { viewMs, appliedMs: this.#appliedAt - start, totalMs: performance.now() - start };
  }

  async stop(): Promise<void> {
    await this.#xds.stop();
    this.table.close();
  }

  /** The same gateway, with a look at the clock when a push was acknowledged. */
  #timed(gateway: TableGateway): TableGateway {
    const acknowledged = (version: number) => {
      this.#appliedAt = performance.now();
      return version;
    };
    return {
      ...gateway,
      pushSnapshot: (entries) => gateway.pushSnapshot(entries).then(acknowledged),
      pushDelta: (base, upserts, removals) =>
        gateway.pushDelta(base, upserts, removals).then(acknowledged),
    };
  }
}
