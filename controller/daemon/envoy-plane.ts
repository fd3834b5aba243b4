// One Envoy of this node as the controller deals with it: its sockets, what it is told by xDS, its
// table, and the kernel rules that lead to it. There are two while one takes the place of another.

import { join } from "node:path";
import { ADMIN_SOCKET, TABLE_SOCKET, XDS_SOCKET } from "../../envoy/bootstrap.ts";
import type { KernelLook } from "../capture/apply.ts";
import { capturedFamilies } from "../capture/kernel-settings.ts";
import { detectedFamilies, type LocalDetector } from "../capture/local-detector.ts";
import { withNamedNft } from "../capture/named-nft.ts";
import { DEFAULT_CAPTURE_OPTIONS } from "../capture/options.ts";
import type { RunOptions } from "../config.ts";
import type { NodeViewChange } from "../node/node-view.ts";
import type { CaptureSet, Frontend } from "../node/types.ts";
import type { EventMetrics } from "../observe/event-metrics.ts";
import type { Log } from "../observe/log.ts";
import { meteredTable } from "../observe/metered-table.ts";
import type { Table } from "../sync/plan.ts";
import { Reconciler } from "../sync/reconcile.ts";
import { TargetUdp } from "../sync/target-udp.ts";
import { TableClient } from "../table/client.ts";
import { PluginRollout } from "../xds/plugin-rollout.ts";
import type { CapturePorts } from "../xds/resources.ts";
import { XdsServer } from "../xds/server.ts";
import { CaptureOfNode, tableGateway } from "./data-plane.ts";
import { EnvoyListeners, udpListenersOf } from "./envoy-listeners.ts";
import { localPorts } from "./udp-limits.ts";

/** What was handed over is looked up within milliseconds, on a busy node within hundreds. */
const LINGER_MS = 2_000;

/** Where an Envoy is. */
export interface EnvoyPlace {
  /** Of its sockets. */
  directory: string;
  ports: CapturePorts;
  /** Of its listeners for what NAT redirects, where there are any (capture/bridge-plan.ts). */
  redirectPorts: CapturePorts;
  /** Of another Envoy that may be beside it. */
  otherPorts: readonly number[];
  otherRedirectPorts: readonly number[];
}

export interface EnvoyPlaneParts {
  options: RunOptions;
  place: EnvoyPlace;
  log: Log;
  metrics: EventMetrics;
  /** Whether the kernel hands over to another Envoy, until `takeKernel`. */
  isSecond: boolean;
  /** It connected: it may have another table than we think. */
  connected: () => void;
  replied: (type: string, refusal: string | undefined) => void;
  /** A full sync sees that others have changed what it wrote into the kernel. */
  kernelChanged: (look: KernelLook) => void;
  /** The records of the whole table, as it should be. */
  records: () => readonly Uint8Array[];
}

/** What all Envoys of this node should have. */
export interface PlaneTarget {
  table: Table;
  capture: CaptureSet;
  /** What changed in the node view since the last time, and the whole of it. */
  change: NodeViewChange;
  frontends: ReadonlyMap<string, Frontend>;
  localDetector: LocalDetector;
  /** Whether TCP connections of Pods on bridges come by NAT. */
  redirectsBridges: boolean;
  /** UDP addresses of another Envoy that goes on answering. */
  former: CaptureSet["formerUdpAddresses"];
}

export class EnvoyPlane {
  readonly place: EnvoyPlace;
  readonly table: TableClient;
  readonly xds: XdsServer;
  readonly rollout: PluginRollout;
  readonly listeners: EnvoyListeners;
  readonly reconciler: Reconciler;
  readonly #parts: EnvoyPlaneParts;
  readonly #capture: CaptureOfNode;
  /** Undefined until it is known which listeners Envoy has from an earlier controller. */
  #udp: TargetUdp | undefined;

  constructor(parts: EnvoyPlaneParts) {
    this.#parts = parts;
    const { options, place, log, metrics } = parts;
    this.place = place;
    this.table = new TableClient(join(place.directory, TABLE_SOCKET));
    this.xds = new XdsServer({
      socketPath: join(place.directory, XDS_SOCKET),
      log,
      onConnect: parts.connected,
      onReply: parts.replied,
    });
    this.rollout = new PluginRollout({
      xds: this.xds,
      table: this.table,
      pushSnapshot: () => this.#pushSnapshot(),
      options: pluginOptions(options),
      flowLog: options.flowLog,
    });
    this.listeners = new EnvoyListeners({
      xds: this.xds,
      ...place,
      ...{ tcp: options.tcp, flowLog: options.flowLog },
      serve: () => this.rollout.serve(),
    });
    this.#capture = new CaptureOfNode({
      options: captureOptions(options, place),
      isHeld: parts.isSecond,
      run: withNamedNft(options.runDir),
      onChanged: parts.kernelChanged,
    });
    const now = () => performance.now();
    const gateways = {
      table: meteredTable(tableGateway(this.table), metrics, now),
      listeners: () => this.listeners.now(),
      capture: this.#capture,
    };
    this.reconciler = new Reconciler(gateways, { ms: LINGER_MS, now });
  }

  get isConnected(): boolean {
    return this.xds.connections().length > 0;
  }

  get udpAddresses(): CaptureSet["udpAddresses"] {
    return this.#udp?.addresses ?? new Map();
  }

  /** Whether the kernel is to hand over to this Envoy: not while it is another's, or drained. */
  get hasKernel(): boolean {
    return !this.#capture.isHeld;
  }

  /** What the kernel has, and whether that is as this left it. */
  lookAtKernel(): Promise<KernelLook> {
    return this.#capture.look();
  }

  /** From now on the kernel is told what this Envoy is to get. */
  takeKernel(): void {
    this.#capture.release();
    this.reconciler.forgetCapture();
  }

  /** The kernel hands over nothing more; Envoy goes on with what it has. */
  async handBackKernel(settled: () => Promise<void>): Promise<void> {
    await this.#capture.handBack(settled);
  }

  /**
   * Brings Envoy, and the kernel if it is this one's, to the target. Resolves with the milliseconds
   * until something is left to do; undefined when nothing is.
   */
  async reconcile(target: PlaneTarget, full: boolean): Promise<number | undefined> {
    const udp = await this.#followUdp(target);
    const changing = this.#changingOptions(target);
    this.listeners.setRedirectPorts(changing.redirectPorts);
    this.#capture.set(changing);
    if (full) this.listeners.forgetRefusals();
    const capture = { ...udp.captureWith(target.capture), formerUdpAddresses: target.former };
    return this.reconciler.reconcile({ table: target.table, capture, udp: udp.target }, full);
  }

  #changingOptions({ localDetector, redirectsBridges }: PlaneTarget) {
    const { redirectPorts, otherPorts, otherRedirectPorts } = this.place;
    return {
      localDetector,
      redirectPorts: redirectsBridges ? redirectPorts : undefined,
      otherCapturePorts: redirectsBridges ? [...otherPorts, ...otherRedirectPorts] : otherPorts,
    };
  }

  /** Envoy goes on with what it has. */
  async stop(): Promise<void> {
    await this.xds.stop();
    this.table.close();
  }

  async #followUdp({ change, frontends, localDetector, former }: PlaneTarget): Promise<TargetUdp> {
    const { masqueradeAll } = this.#parts.options;
    const podFamilies = detectedFamilies(localDetector, capturedFamilies());
    const options = { masqueradeAll, podFamilies };
    if (this.#udp) {
      this.#udp.apply(change.upserted, change.removed, options);
      return this.#udp;
    }
    const present = await udpListenersOf(join(this.place.directory, ADMIN_SOCKET));
    this.listeners.inherit(new Set(present.map(({ name }) => name)));
    this.#udp = new TargetUdp(present, former);
    this.#udp.apply([...frontends.values()], [], options);
    return this.#udp;
  }

  /** For a plugin that does not know the present table: it is of another wire version. */
  async #pushSnapshot(): Promise<void> {
    await this.table.pushSnapshot(this.#parts.records());
    this.#parts.connected();
  }
}

/** Only what is not the plugin's default: plugins that know no options go on to work. */
function pluginOptions({ serviceMetrics, flowLog }: RunOptions): string[] {
  const stats = serviceMetrics === "service" ? [] : [`stats=${serviceMetrics}`];
  return flowLog ? [...stats, "names"] : stats;
}

function captureOptions(options: RunOptions, { ports, otherPorts }: EnvoyPlace) {
  return {
    ...DEFAULT_CAPTURE_OPTIONS,
    markBit: 2 ** options.markBit,
    routeTable: options.routeTable,
    rulePriority: options.rulePriority,
    keepPort: ports.keep,
    masqueradePort: ports.masquerade,
    localPort: ports.local,
    otherCapturePorts: otherPorts,
    localPorts: localPorts(),
    families: capturedFamilies(),
    masqueradeAll: options.masqueradeAll,
  };
}
