// A KubeProxyConfiguration file → Portico's settings, so that a cluster's settings for kube-proxy
// work unchanged for Portico. Pure; config-file-read.ts reads the file's shape.

import type { ConntrackSettings } from "../capture/conntrack-settings.ts";
import type { BindAddress } from "../http/endpoint.ts";
import { familyOf } from "../model/ip.ts";
import type { LogLevel } from "../observe/log.ts";
import { faultsIn, syncSection } from "./config-file-faults.ts";
import { clusterCIDRsFrom } from "./config-file-fields.ts";
import { ConfigFileError, defaultValues, readConfigFile } from "./config-file-read.ts";
import { HEALTHZ_PORT, type KubeProxyValues, METRICS_PORT } from "./config-file-schema.ts";

/** Which clients count as Pods of this node. All CIDRs canonical. */
export type DetectLocal =
  | { mode: "ClusterCIDR"; cidrs: string[] }
  | { mode: "NodeCIDR" }
  | { mode: "BridgeInterface"; interfaceName: string }
  | { mode: "InterfaceNamePrefix"; prefix: string };

/** Undefined: the file leaves it to Portico's own defaults. */
export interface ProxyConfiguration {
  /** Path as written; undefined: the service account of the Pod. */
  kubeconfig: string | undefined;
  nodeName: string | undefined;
  /** Overrides the Node's primary address, and sets the primary family. */
  nodeIP: string | undefined;
  /** Undefined: nowhere; no file can set that. */
  healthzBindAddress: BindAddress | undefined;
  metricsBindAddress: BindAddress | undefined;
  bindAddressHardFail: boolean;
  profiling: boolean;
  /** As in NodeOptions: canonical CIDRs, "primary", "localhost", "all". */
  nodePortAddresses: string[];
  detectLocal: DetectLocal;
  masqueradeAll: boolean;
  conntrack: ConntrackSettings;
  markBit: number | undefined;
  minSyncPeriodMs: number | undefined;
  syncPeriodMs: number;
  logLevel: LogLevel;
  /** ipvs.scheduler in mode ipvs, "" where none is given; absent in another mode. */
  ipvsScheduler?: string | undefined;
}

/** The last release of kube-proxy whose fields are known. */
const RELEASE = "1.37";
/** From this klog verbosity on, the log level is debug. */
const DEBUG_VERBOSITY = 4;
/** Portico always does what this gate allows. */
const FULFILLED_GATE = "KubeProxyNFTablesLocalhostNodePorts";
const LOOPBACK_IPV4 = "127.0.0.0/8";

/**
 * Throws ConfigFileError, with all errors by line. `warning` names the fields without effect:
 * unknown, given twice, or set but not used here; undefined when there are none. `name` is the
 * file's, for messages.
 */
export function configurationFromFile(
  name: string,
  text: string,
): { configuration: ProxyConfiguration; warning: string | undefined } {
  const file = readConfigFile(name, text);
  const problems = faultsIn(file);
  if (problems.length > 0) throw new ConfigFileError(problems);
  const warnings = [
    named(`unknown to kube-proxy ${RELEASE}, ignored`, file.unknown),
    named("given twice, the last one counts", file.twice),
    named("no effect in Portico", [...file.withoutMeaning, ...unknownGates(file.values)]),
  ].flat();
  const warning = warnings.length > 0 ? `${name}: ${warnings.join("; ")}` : undefined;
  return { configuration: configurationFrom(file.values), warning };
}

function named(what: string, fields: readonly string[]): string[] {
  return fields.length === 0 ? [] : [`${what}: ${fields.join(", ")}`];
}

/** Without a file: as kube-proxy in nftables mode, which Portico resembles most. */
export function defaultConfiguration(): ProxyConfiguration {
  return configurationFrom({ ...defaultValues(), mode: "nftables" });
}

function configurationFrom(values: KubeProxyValues): ProxyConfiguration {
  const { bindAddress, healthzBindAddress, metricsBindAddress } = values;
  const isIPv6 = familyOf(bindAddress) === "IPv6";
  const isUnspecified = bindAddress === "0.0.0.0" || bindAddress === "::";
  const { syncPeriod, minSyncPeriod } = syncSection(values);
  const { masqueradeAll, masqueradeBit } = masqueradeSection(values);
  return {
    kubeconfig: values.clientConnection.kubeconfig || undefined,
    nodeName: values.hostnameOverride.trim().toLowerCase() || undefined,
    nodeIP: isUnspecified ? undefined : bindAddress,
    healthzBindAddress: healthzBindAddress ?? {
      address: isIPv6 ? "::" : "0.0.0.0",
      port: HEALTHZ_PORT,
    },
    metricsBindAddress: metricsBindAddress ?? {
      address: isIPv6 ? "::1" : "127.0.0.1",
      port: METRICS_PORT,
    },
    bindAddressHardFail: values.bindAddressHardFail,
    profiling: values.enableProfiling,
    nodePortAddresses: wantedNodePortAddresses(values),
    detectLocal: detectLocalFromValues(values),
    masqueradeAll,
    conntrack: conntrackFrom(values),
    markBit: masqueradeBit,
    minSyncPeriodMs: minSyncPeriod,
    syncPeriodMs: syncPeriod,
    logLevel: values.logging.verbosity >= DEBUG_VERBOSITY ? "debug" : "info",
    ipvsScheduler: values.mode === "ipvs" ? values.ipvs.scheduler : undefined,
  };
}

function conntrackFrom({ conntrack }: KubeProxyValues): ConntrackSettings {
  const { maxPerCore, min, tcpBeLiberal } = conntrack;
  return {
    maxPerCore,
    min,
    tcpBeLiberal,
    tcpEstablishedTimeoutMs: conntrack.tcpEstablishedTimeout,
    tcpCloseWaitTimeoutMs: conntrack.tcpCloseWaitTimeout,
    udpTimeoutMs: conntrack.udpTimeout,
    udpStreamTimeoutMs: conntrack.udpStreamTimeout,
  };
}

function masqueradeSection({ mode, iptables, nftables }: KubeProxyValues) {
  return mode === "nftables" ? nftables : iptables;
}

/**
 * Returns where node ports answer, as with kube-proxy: on all addresses in iptables and ipvs mode
 * unless set otherwise, and on 127.0.0.1 in iptables mode unless localhostNodePorts forbids it.
 */
function wantedNodePortAddresses(values: KubeProxyValues): string[] {
  const { mode, nodePortAddresses: given, iptables } = values;
  if (mode === "nftables") return given.length === 0 ? ["primary"] : given;
  const wanted = given.length === 0 ? ["all"] : given;
  if (mode === "ipvs" || !iptables.localhostNodePorts) return wanted.filter(isNotLoopback);
  const isAll = wanted.some((each) => each === "all" || each === "0.0.0.0/0");
  return isAll && !wanted.includes(LOOPBACK_IPV4) ? [...wanted, LOOPBACK_IPV4] : wanted;
}

function isNotLoopback(wanted: string): boolean {
  return wanted !== "localhost" && !wanted.startsWith("127.") && !wanted.startsWith("::1/");
}

function detectLocalFromValues({ detectLocalMode, detectLocal, clusterCIDR }: KubeProxyValues) {
  const modes: Record<DetectLocal["mode"], DetectLocal> = {
    ClusterCIDR: { mode: "ClusterCIDR", cidrs: clusterCIDRsFrom(clusterCIDR) ?? [] },
    NodeCIDR: { mode: "NodeCIDR" },
    BridgeInterface: { mode: "BridgeInterface", interfaceName: detectLocal.bridgeInterface },
    InterfaceNamePrefix: { mode: "InterfaceNamePrefix", prefix: detectLocal.interfaceNamePrefix },
  };
  return modes[detectLocalMode === "" ? "ClusterCIDR" : detectLocalMode];
}

function unknownGates({ featureGates }: KubeProxyValues): string[] {
  const gates = Object.keys(featureGates).filter((gate) => gate !== FULFILLED_GATE);
  return gates.map((gate) => `featureGates.${gate}`);
}
