// The settings of `portico run`, checked: what the command line says → RunOptions.

import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { InvalidArgumentError } from "commander";
import type { BridgeCapture } from "./capture/bridge-plan.ts";
import type { ProxyConfiguration } from "./config-file.ts";
import { parseCIDR } from "./model/ip.ts";
import type { PageAddress } from "./page/page-address.ts";
import type { FlowLogOptions } from "./xds/flow-log.ts";
import type { CapturePorts } from "./xds/resources.ts";
import type { TcpOptions } from "./xds/tcp-options.ts";

export const DEFAULT_RUN_DIR = "/run/portico";

/** Where the objects come from. */
export type SourceOptions =
  | { kind: "in-cluster" }
  | { kind: "kubeconfig"; file: string }
  | { kind: "manifests"; directory: string };

/** What a KubeProxyConfiguration may say too, and what only Portico has. */
export interface RunOptions extends Omit<ProxyConfiguration, "kubeconfig"> {
  source: SourceOptions;
  nodeName: string;
  /** As read; a change of its content ends the process. */
  configFile: { path: string; text: string } | undefined;
  runDir: string;
  /** The plugin to start with, unless another was loaded by `portico plugin load` since. */
  pluginFile: string;
  /** A plugin that is loaded when this file appears or changes; undefined: none is followed. */
  followedPlugin: string | undefined;
  /** Recompile and reload when a plugin source is saved. */
  watchPlugin: boolean;
  withEnvoy: boolean;
  /** Somebody else starts two Envoys, one of which stands by; not with withEnvoy. */
  twoEnvoys: boolean;
  /** Worker threads of Envoy; 0: one per core. */
  envoyConcurrency: number;
  /** An Envoy that does not answer for so long is killed; 0: never. */
  envoyHungAfterMs: number;
  capturePorts: CapturePorts;
  /** Of an Envoy that takes the place of another. */
  secondCapturePorts: CapturePorts;
  bridgeCapture: BridgeCapture;
  /** Of the listeners for what NAT redirects: of the first Envoy, and of the second. */
  redirectPorts: readonly [CapturePorts, CapturePorts];
  /** Of the packet mark and of the connection mark: 0 to 31. */
  markBit: number;
  routeTable: number;
  rulePriority: number;
  /** Used besides the ServiceCIDR objects; canonical. */
  serviceCIDRs: string[];
  /** Serve the Services whose label service.kubernetes.io/service-proxy-name says this. */
  serviceProxyName: string | undefined;
  minSyncPeriodMs: number;
  /** Where the live page is; undefined: there is none. */
  pageAddress: PageAddress | undefined;
  /** How long a Service may be without endpoints before an Event says so. */
  eventGraceMs: number;
  serviceMetrics: ServiceMetricsMode;
  /** Undefined: no connection is logged. */
  flowLog: FlowLogOptions | undefined;
  /** Of connections to Services. */
  tcp: TcpOptions;
}

/** What is counted: nothing, each ServicePort, or each of its backends too. */
export const SERVICE_METRICS_MODES = ["off", "service", "backend"] as const;
export type ServiceMetricsMode = (typeof SERVICE_METRICS_MODES)[number];

/** sun_path of unix(7), without its terminating NUL. */
const MAX_SOCKET_PATH_BYTES = 107;

/**
 * The files of a run directory; all that Portico keeps outside the kernel. Throws when the
 * directory's path is too long for sockets in it.
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
    earlyDemux: join(runDir, "tcp_early_demux"),
  };
}

/** The plugin that comes with this version of Portico. */
export function shippedPlugin(): string {
  return resolve(import.meta.dirname, "../build/portico.wasm");
}

/** For people and other programs: the part of the options that kube-proxy has too. */
export function proxyConfigurationOf(options: RunOptions): ProxyConfiguration {
  const { source } = options;
  return { ...options, kubeconfig: source.kind === "kubeconfig" ? source.file : undefined };
}

export function defaultNodeName(): string {
  return hostname().trim().toLowerCase();
}

/** A whole number within bounds, or commander's error that names both. */
export function integerBetween(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < least || value > most) {
      throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`);
    }
    return value;
  };
}

/** `default`, `main` and `local` of rt_tables: a route of ours would replace one of the node's. */
const KERNEL_ROUTE_TABLES = [253, 254, 255];

/** A routing table that may be Portico's own. */
export function routeTableFromText(text: string): number {
  const table = integerBetween(1, 2 ** 32 - 1)(text);
  if (!KERNEL_ROUTE_TABLES.includes(table)) return table;
  throw new InvalidArgumentError(`Table ${table} is the kernel's own; give another, such as 4100.`);
}

/** "15401,15402,15403": the ports in the order of CapturePorts. */
export function capturePortsFromText(text: string): CapturePorts {
  const parts = text.split(",");
  if (parts.length !== 3 || new Set(parts).size !== 3) {
    throw new InvalidArgumentError("Give three different ports, such as 15401,15402,15403.");
  }
  const [keep = 0, masquerade = 0, local = 0] = parts.map(integerBetween(1, 65_535));
  return { keep, masquerade, local };
}

/** "15405,…,15417": six ports, the first Envoy's and the second's, each as capturePortsFromText. */
export function redirectPortsFromText(text: string): readonly [CapturePorts, CapturePorts] {
  const parts = text.split(",");
  if (parts.length !== 6 || new Set(parts).size !== 6) {
    throw new InvalidArgumentError("Give six different ports, such as 15405,15406,15407,15415,…");
  }
  const of = (from: number) => capturePortsFromText(parts.slice(from, from + 3).join(","));
  return [of(0), of(3)];
}

/** "5ms", "1s", "1m30s", as Kubernetes writes durations → milliseconds. */
export function durationMs(text: string): number {
  const units: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
  const whole = /^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text);
  if (!whole) throw new InvalidArgumentError("Give a duration such as 5ms, 30s or 1m30s.");
  const parts = text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g);
  let total = 0;
  for (const [, amount, unit] of parts) total += Number(amount) * (units[unit ?? ""] ?? 0);
  return total;
}

/** The same, and not 0: what is done that often would leave time for nothing else. */
export function intervalMs(text: string): number {
  const interval = durationMs(text);
  if (interval > 0) return interval;
  throw new InvalidArgumentError("Give a duration of more than 0, such as 30s.");
}

/** Collects a repeatable --service-cidr. */
export function collectCIDR(text: string, before: string[] = []): string[] {
  const cidr = parseCIDR(text);
  if (!cidr) throw new InvalidArgumentError("Give a CIDR such as 10.96.0.0/16.");
  return [...before, cidr];
}
