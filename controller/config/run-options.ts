// The settings of `portico run`, and the files of its run directory. cli/run.ts turns flags into
// settings.

import { hostname } from "node:os";
import { join } from "node:path";
import type { BridgeCapture } from "../capture/bridge-plan.ts";
import type { PolicyHook } from "../capture/options.ts";
import type { FrontendSettings } from "../node/types.ts";
import { PACKAGE_ROOT } from "../system/package-root.ts";
import type { FlowLogOptions } from "../xds/flow-log.ts";
import type { CapturePorts, RedirectPorts } from "../xds/resources.ts";
import type { TcpOptions } from "../xds/tcp-options.ts";
import type { ProxyConfiguration } from "./config-file.ts";
import type { PageAddress } from "./page-address.ts";

export const DEFAULT_RUN_DIR = "/run/portico";

/** Where the objects come from. */
export type SourceOptions =
  | { kind: "in-cluster" }
  | { kind: "kubeconfig"; file: string }
  | { kind: "manifests"; directory: string };

/** The settings of a KubeProxyConfiguration, and those that only Portico has. */
export interface RunOptions extends Omit<ProxyConfiguration, "kubeconfig"> {
  source: SourceOptions;
  nodeName: string;
  /** The file as read; a change of its content ends the process. */
  configFile: { path: string; text: string } | undefined;
  runDir: string;
  /** The plugin to start with, unless `portico plugin load` has loaded another since. */
  pluginFile: string;
  /** A plugin to load when this file appears or changes; undefined: none. */
  followedPlugin: string | undefined;
  /** Functions that Services may choose; undefined: the node takes none. */
  functionsFolder: string | undefined;
  /** Recompile and reload when a plugin source is saved. */
  watchPlugin: boolean;
  withEnvoy: boolean;
  /** Another program starts two Envoys, one of which is on standby; not with withEnvoy. */
  twoEnvoys: boolean;
  /** Worker threads of Envoy; 0: one per core. */
  envoyConcurrency: number;
  /** An Envoy that does not answer for this long is killed; 0: never. */
  envoyHungAfterMs: number;
  capturePorts: CapturePorts;
  /** Ports of an Envoy that replaces another. */
  secondCapturePorts: CapturePorts;
  bridgeCapture: BridgeCapture;
  /** Ports of the listeners for what NAT redirects: of the first Envoy, and of the second. */
  redirectPorts: readonly [RedirectPorts, RedirectPorts];
  /** Of the packet mark and of the connection mark: 0 to 31. */
  markBit: number;
  routeTable: number;
  rulePriority: number;
  policyHook: PolicyHook;
  /** Start even where an enforcer of NetworkPolicy lets through what its policies deny. */
  allowOpenPolicies: boolean;
  /** Used in addition to the ServiceCIDR objects; canonical. */
  serviceCIDRs: string[];
  /** Serve the Services whose label service.kubernetes.io/service-proxy-name says this. */
  serviceProxyName: string | undefined;
  minSyncPeriodMs: number;
  /** Where the live page listens; undefined: no page. */
  pageAddress: PageAddress | undefined;
  /** How long a Service may be without endpoints before an Event says so. */
  eventGraceMs: number;
  serviceMetrics: ServiceMetricsMode;
  /** Undefined: log no connections. */
  flowLog: FlowLogOptions | undefined;
  /** TCP settings of connections to Services. */
  tcp: TcpOptions;
  /** What applies to Services whose annotations say nothing else. */
  defaults: FrontendSettings;
}

/** What to count: nothing, each ServicePort, or each of its backends too. */
export const SERVICE_METRICS_MODES = ["off", "service", "backend"] as const;
export type ServiceMetricsMode = (typeof SERVICE_METRICS_MODES)[number];

/** sun_path of unix(7), without its terminating NUL. */
const MAX_SOCKET_PATH_BYTES = 107;

/**
 * Returns the files of a run directory: everything that Portico keeps outside the kernel. Throws
 * when the directory's path is too long for sockets in it.
 */
export function runPaths(runDir: string) {
  const longest = Buffer.byteLength(join(runDir, "control.sock"));
  if (longest > MAX_SOCKET_PATH_BYTES) {
    throw new Error(
      `${runDir} is too long for sockets in it: their paths would have ${longest} bytes, and ` +
        `${MAX_SOCKET_PATH_BYTES} bytes is the most; give a shorter --run-dir`,
    );
  }
  return {
    tableSocket: join(runDir, "table.sock"),
    adminSocket: join(runDir, "admin.sock"),
    controlSocket: join(runDir, "control.sock"),
    loadedPlugin: join(runDir, "plugin.wasm"),
    functionSlots: join(runDir, "functions.json"),
    earlyDemux: join(runDir, "tcp_early_demux"),
  };
}

/** Returns the path of the plugin that comes with this version of Portico. */
export function shippedPlugin(): string {
  return join(PACKAGE_ROOT, "build/portico.wasm");
}

/** Returns the path of the plugin that takes functions, of this version of Portico. */
export function pluginWithFunctions(): string {
  return join(PACKAGE_ROOT, "build/portico-functions.wasm");
}

/** Returns the part of the options that kube-proxy has too, for operators and other programs. */
export function proxyConfigurationOf(options: RunOptions): ProxyConfiguration {
  const { source } = options;
  return { ...options, kubeconfig: source.kind === "kubeconfig" ? source.file : undefined };
}

/** Returns the name that the kubelet gives its Node by default: the host name in lower case. */
export function defaultNodeName(): string {
  return hostname().trim().toLowerCase();
}
