// Settings of a KubeProxyConfiguration that are valid alone and invalid together: exactly what
// kube-proxy 1.37 refuses after decoding (pkg/proxy/apis/config/validation). Pure.

import { parseCIDR } from "../model/ip.ts";
import { shown } from "../model/json.ts";
import { goDuration } from "./config-file-duration.ts";
import { CLUSTER_CIDR, clusterCIDRsFrom } from "./config-file-fields.ts";
import type { ReadFile } from "./config-file-read.ts";
import type { KubeProxyValues } from "./config-file-schema.ts";

/** Reports a fault at a field; `at` is its place, if that is not the field itself. */
type Problem = (path: string, message: string, at?: string) => void;

/** Returns the periods that count. kube-proxy without a mode is in iptables mode. */
export function syncSection({ mode, iptables, ipvs, nftables }: KubeProxyValues) {
  if (mode === "nftables") return nftables;
  return mode === "ipvs" ? ipvs : iptables;
}

/** kube-proxy's own least period, where it has one: a shorter full period is refused. */
const DEFAULT_MIN_SYNC_MS = 1_000;

/** Returns one line for each, with its place. */
export function faultsIn({ values, placeOf }: ReadFile): string[] {
  const faults: string[] = [];
  const problem: Problem = (path, message, at = path) => {
    faults.push(`${placeOf(at)}: ${path} ${message}`);
  };
  periodFaults(values, problem);
  modeFaults(values, problem);
  detectLocalFaults(values, problem);
  if (values.logging.vmodule.length > 0 && values.logging.format !== "text") {
    problem("logging.vmodule", "applies only to format text; remove it");
  }
  if (values.hostnameOverride !== "" && values.hostnameOverride.trim() === "") {
    problem("hostnameOverride", "is blank; set it to the name of the Node object");
  }
  return faults;
}

function periodFaults(values: KubeProxyValues, problem: Problem): void {
  const { conntrack, configSyncPeriod, mode } = values;
  const notNegative = (path: string, value: number | undefined) => {
    if (value !== undefined && value < 0)
      problem(path, "is negative; set a duration of 0s or more");
  };
  const section = mode === "" ? "iptables" : mode;
  const defaultMin = mode === "ipvs" ? 0 : DEFAULT_MIN_SYNC_MS;
  const { syncPeriod, minSyncPeriod = defaultMin } = syncSection(values);
  notNegative(`${section}.syncPeriod`, syncPeriod);
  notNegative(`${section}.minSyncPeriod`, minSyncPeriod);
  if (minSyncPeriod > syncPeriod) {
    const shorter = `set a shorter one, or a syncPeriod of at least ${goDuration(minSyncPeriod)}`;
    problem(`${section}.minSyncPeriod`, `is longer than syncPeriod; ${shorter}`);
  }
  notNegative("configSyncPeriod", configSyncPeriod);
  notNegative("conntrack.tcpEstablishedTimeout", conntrack.tcpEstablishedTimeout);
  notNegative("conntrack.tcpCloseWaitTimeout", conntrack.tcpCloseWaitTimeout);
  notNegative("conntrack.udpTimeout", conntrack.udpTimeout);
  notNegative("conntrack.udpStreamTimeout", conntrack.udpStreamTimeout);
  if (mode !== "ipvs") return;
  notNegative("ipvs.tcpTimeout", values.ipvs.tcpTimeout);
  notNegative("ipvs.tcpFinTimeout", values.ipvs.tcpFinTimeout);
  notNegative("ipvs.udpTimeout", values.ipvs.udpTimeout);
}

/** Checks the section of the mode; that of another mode may contain anything. */
function modeFaults({ mode, ipvs, nftables }: KubeProxyValues, problem: Problem): void {
  const { masqueradeBit = 0 } = nftables;
  if (mode === "nftables" && (masqueradeBit < 0 || masqueradeBit > 31)) {
    problem("nftables.masqueradeBit", `is ${masqueradeBit}; set a whole number from 0 to 31`);
  }
  const wrong = ipvs.excludeCIDRs.find((each) => parseCIDR(each) === undefined);
  if (mode === "ipvs" && wrong !== undefined) {
    problem("ipvs.excludeCIDRs", `has ${shown(wrong)}; set a list of CIDRs`);
  }
}

function detectLocalFaults(values: KubeProxyValues, problem: Problem): void {
  const { detectLocalMode: mode, detectLocal, clusterCIDR } = values;
  if (mode === "BridgeInterface" && detectLocal.bridgeInterface === "") {
    const message = "is missing; detectLocalMode BridgeInterface needs it";
    problem("detectLocal.bridgeInterface", message, "detectLocalMode");
  }
  if (mode === "InterfaceNamePrefix" && detectLocal.interfaceNamePrefix === "") {
    const message = "is missing; detectLocalMode InterfaceNamePrefix needs it";
    problem("detectLocal.interfaceNamePrefix", message, "detectLocalMode");
  }
  const isUsed = mode === "" || mode === "ClusterCIDR";
  if (isUsed && clusterCIDRsFrom(clusterCIDR) === undefined) {
    problem("clusterCIDR", `is ${shown(clusterCIDR)}; set ${CLUSTER_CIDR}`);
  }
}
