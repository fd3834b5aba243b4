// One Envoy of this node as the controller sees it: its sockets, its configuration by xDS, its
// table, and the kernel rules that lead to it. There are two while one replaces the other.

import { join } from "node:path";
import { ADMIN_SOCKET, TABLE_SOCKET, XDS_SOCKET } from "../../envoy/bootstrap.ts";
import type { KernelLook } from "../capture/apply.ts";
import { LastingNft } from "../capture/lasting-nft.ts";
import { detectedFamilies, type LocalDetector } from "../capture/local-detector.ts";
import { namedNft, withNamedNft } from "../capture/named-nft.ts";
import { type CaptureOptions, DEFAULT_CAPTURE_OPTIONS } from "../capture/options.ts";
import type { RunOptions } from "../config/run-options.ts";
import type { IPFamily } from "../model/types.ts";
import type { NodeViewChange } from "../node/node-view.ts";
import type { CaptureSet, Frontend, FrontendKey } from "../node/types.ts";
import type { UdpBindings } from "../node/udp-binding.ts";
import type { EventMetrics } from "../observe/event-metrics.ts";
import type { Log } from "../observe/log.ts";
import { meteredTable } from "../observe/metered-table.ts";
import type { Table } from "../sync/plan.ts";
import { Reconciler } from "../sync/reconcile.ts";
import { TargetUdp } from "../sync/target-udp.ts";
import { capturedFamilies } from "../system/ip-families.ts";
import { localPorts } from "../system/local-ports.ts";
import { TableClient } from "../table/client.ts";
import type { FunctionFrontend } from "../xds/function-chains.ts";
import { PluginDelivery } from "../xds/plugin-delivery.ts";
import type { CapturePorts, RedirectPorts } from "../xds/resources.ts";
import { XdsServer } from "../xds/server.ts";
import { DEFAULT_TCP_OPTIONS, type TcpOptions } from "../xds/tcp-options.ts";
import { EnvoyListeners, udpListenersOf } from "./envoy-listeners.ts";
import { CaptureOfNode, tableGateway } from "./gateways.ts";

/** Envoy looks up what was handed over within milliseconds, on a busy node within hundreds. */
const LINGER_MS = 2_000;

/** Where an Envoy is. */
export interface EnvoyPlace {
  /** The folder of its sockets. */
  directory: string;
  ports: CapturePorts;
  /** Ports of its listeners for what NAT redirects, if there are any (capture/bridge-plan.ts). */
  redirectPorts: RedirectPorts;
  /** Ports of another Envoy that may run next to it. */
  otherPorts: readonly number[];
  otherRedirectPorts: readonly number[];
}

/** The settings for Envoy, its plugin and the kernel. */
type EnvoyPlaneOptions = Pick<
  RunOptions,
  | "runDir"
  | "markBit"
  | "routeTable"
  | "rulePriority"
  | "policyHook"
  | "masqueradeAll"
  | "serviceMetrics"
  | "flowLog"
  | "tcp"
  | "functionsFolder"
>;

interface EnvoyPlaneParts {
  options: EnvoyPlaneOptions;
  place: EnvoyPlace;
  log: Log;
  metrics: EventMetrics;
  /** Whether the kernel hands over to another Envoy, until `takeKernel`. */
  isSecond: boolean;
  /** Called when it connected: it may have another table than expected. */
  connected: () => void;
  replied: (type: string, refusal: string | undefined) => void;
  /** Called when a full sync sees that others changed what it wrote into the kernel. */
  kernelChanged: (look: KernelLook) => void;
  /** Returns the records of the whole table, as it should be. */
  records: () => readonly Uint8Array[];
}

/** What all Envoys of this node should have. */
export interface PlaneTarget {
  table: Table;
  captureSet: CaptureSet;
  /** Frontends that the table cannot serve. */
  leftOut: ReadonlySet<FrontendKey>;
  /** What changed in the node view since the last time, and the whole view. */
  change: NodeViewChange;
  frontends: ReadonlyMap<string, Frontend>;
  localDetector: LocalDetector;
  /** Whether TCP connections of Pods on bridges come by NAT. */
  redirectsBridges: boolean;
  /** TCP frontends for which functions pick; another list when that changes. */
  functionFrontends: readonly FunctionFrontend[];
  /** UDP listeners of another Envoy that keeps answering. */
  former: UdpBindings;
}

export class EnvoyPlane {
  readonly place: EnvoyPlace;
  readonly table: TableClient;
  readonly xds: XdsServer;
  readonly delivery: PluginDelivery;
  readonly listeners: EnvoyListeners;
  readonly reconciler: Reconciler;
  readonly #parts: EnvoyPlaneParts;
  readonly #capture: CaptureOfNode;
  readonly #nft: LastingNft;
  /** As of the start, as the kernel's rules have them. */
  readonly #families: readonly IPFamily[] = capturedFamilies();
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
    this.delivery = new PluginDelivery({
      xds: this.xds,
      table: this.table,
      pushSnapshot: () => this.#pushSnapshot(),
      options: pluginOptions(options),
      tcp: options.tcp,
      flowLog: options.flowLog,
    });
    this.listeners = new EnvoyListeners({
      xds: this.xds,
      ...place,
      tcp: options.tcp,
      mark: 2 ** options.markBit,
      flowLog: options.flowLog,
      takesFunctions: options.functionsFolder !== undefined,
      serve: () => this.delivery.serve(),
    });
    this.#nft = new LastingNft(() => namedNft(options.runDir));
    this.#capture = new CaptureOfNode({
      options: captureOptions(options, place, this.#families),
      isHeld: parts.isSecond,
      run: withNamedNft(options.runDir),
      lastingNft: this.#nft,
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

  get udpBindings(): UdpBindings {
    return this.#udp?.bindings ?? new Map();
  }

  /** Whether the kernel should hand over to this Envoy: not while another has it, nor drained. */
  get hasKernel(): boolean {
    return !this.#capture.isHeld;
  }

  /** Returns what the kernel has, and whether that is as this left it. */
  lookAtKernel(): Promise<KernelLook> {
    return this.#capture.look();
  }

  /** From now on the kernel gets this Envoy's rules. */
  takeKernel(): void {
    this.#capture.release();
    this.reconciler.forgetCapture();
  }

  /** The kernel hands over nothing more; Envoy keeps its connections. */
  async handBackKernel(settled: () => Promise<void>): Promise<void> {
    await this.#capture.handBack(settled);
  }

  /**
   * Brings Envoy, and the kernel if this Envoy has it, to the target. Resolves to the milliseconds
   * until the rest is due; undefined when nothing is left to do.
   */
  async reconcile(target: PlaneTarget, full: boolean): Promise<number | undefined> {
    const udp = await this.#followUdp(target);
    const changing = this.#changingOptions(target);
    this.listeners.setRedirectPorts(changing.redirectPorts);
    this.listeners.setFunctionFrontends(target.functionFrontends);
    this.#capture.set(changing);
    if (full) this.listeners.forgetRefusals();
    const { table, captureSet, leftOut, former: formerUdpBindings } = target;
    const kernel = { captureSet, leftOut, udpBindings: udp.bindings, formerUdpBindings };
    return this.reconciler.reconcile({ table, udp: udp.target, kernel }, full);
  }

  #changingOptions({ localDetector, redirectsBridges }: PlaneTarget) {
    const { redirectPorts, otherPorts, otherRedirectPorts } = this.place;
    return {
      localDetector,
      redirectPorts: redirectsBridges ? redirectPorts : undefined,
      otherCapturePorts: redirectsBridges ? [...otherPorts, ...otherRedirectPorts] : otherPorts,
    };
  }

  /** Stops; Envoy keeps what it has. */
  async stop(): Promise<void> {
    await this.xds.stop();
    this.table.close();
    this.#nft.end();
  }

  async #followUdp({ change, frontends, localDetector, former }: PlaneTarget): Promise<TargetUdp> {
    const { masqueradeAll } = this.#parts.options;
    const podFamilies = detectedFamilies(localDetector, this.#families);
    const options = { masqueradeAll, podFamilies };
    if (this.#udp) {
      const udpBindings = this.#udp.apply(change.upserted, change.removed, options);
      this.reconciler.markChanged([], { udpBindings });
      return this.#udp;
    }
    const present = await udpListenersOf(join(this.place.directory, ADMIN_SOCKET));
    this.listeners.inherit(new Set(present.map(({ name }) => name)));
    this.#udp = new TargetUdp(present, former);
    this.#udp.apply([...frontends.values()], [], options);
    return this.#udp;
  }

  /** For a plugin of another wire version, which cannot read the present table. */
  async #pushSnapshot(): Promise<void> {
    await this.table.pushSnapshot(this.#parts.records());
    this.#parts.connected();
  }
}

/** Returns only what is not the plugin's default: so plugins without options still work. */
function pluginOptions({ serviceMetrics, flowLog, tcp }: EnvoyPlaneOptions): string[] {
  const stats = serviceMetrics === "service" ? [] : [`stats=${serviceMetrics}`];
  const names = flowLog ? ["names"] : [];
  return [...stats, ...names, ...attemptsOption(tcp), ...attemptOption(tcp)];
}

/** Returns how many attempts go to backends, after which the plugin has clients refused … */
function attemptsOption({ connectAttempts: attempts }: TcpOptions): string[] {
  return attempts === DEFAULT_TCP_OPTIONS.connectAttempts ? [] : [`attempts=${attempts}`];
}

/** … and how long each lasts, for the plugin to set another backend in time; 0: never. */
function attemptOption({ connectAttempts, connectTimeoutMs }: TcpOptions): string[] {
  const milliseconds = connectAttempts === 1 ? 0 : Math.ceil(connectTimeoutMs);
  return milliseconds === DEFAULT_TCP_OPTIONS.connectTimeoutMs ? [] : [`attempt=${milliseconds}`];
}

function captureOptions(
  options: EnvoyPlaneOptions,
  { ports, otherPorts }: EnvoyPlace,
  families: readonly IPFamily[],
): CaptureOptions {
  return {
    ...DEFAULT_CAPTURE_OPTIONS,
    markBit: 2 ** options.markBit,
    routeTable: options.routeTable,
    rulePriority: options.rulePriority,
    keepPort: ports.keep,
    hostPort: ports.host,
    localPort: ports.local,
    masqueradePort: ports.masquerade,
    otherCapturePorts: otherPorts,
    policyHook: options.policyHook,
    localPorts: localPorts(),
    families,
    masqueradeAll: options.masqueradeAll,
  };
}
