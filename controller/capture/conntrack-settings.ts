// The sysctls of connection tracking that kube-proxy sets on its node → the same for Portico, as
// kube-proxy 1.37 does it (pkg/proxy/conntrack/sysctls.go). Like kube-proxy, `portico cleanup`
// leaves them: the former values may be too small for what runs on the node by now.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Periods in milliseconds (the kernel takes whole seconds); 0: as the node has it. */
export interface ConntrackSettings {
  /** Connections per CPU of the node; 0: the limit stays as it is, whatever `min` says. */
  maxPerCore: number;
  /** The least number of connections. */
  min: number;
  tcpEstablishedTimeoutMs: number;
  tcpCloseWaitTimeoutMs: number;
  /** False: as the node has it. */
  tcpBeLiberal: boolean;
  udpTimeoutMs: number;
  udpStreamTimeoutMs: number;
}

export const NETFILTER_DIRECTORY = "/proc/sys/net/netfilter";

/** The client's and Envoy's to the backend; kube-proxy's connections have one entry. */
const ENTRIES_PER_CONNECTION = 2;
/** As in kube-proxy, which saves memory on machines with many CPUs. */
const MOST_CONNECTIONS = 1_048_576;
/** Entries per bucket of the hash table, as in kube-proxy. */
const ENTRIES_PER_BUCKET = 4;

const MAX = "nf_conntrack_max";
/** The module's parameter hashsize, as a sysctl. */
const BUCKETS = "nf_conntrack_buckets";

/** Returns the number of entries to which a lower limit of the node is raised; 0: it stays. */
export function conntrackMax(settings: ConntrackSettings, cpus: number): number {
  const { maxPerCore, min } = settings;
  if (maxPerCore === 0) return 0;
  const scaled = maxPerCore * cpus;
  const connections = scaled > MOST_CONNECTIONS ? MOST_CONNECTIONS : Math.max(scaled, min);
  return connections * ENTRIES_PER_CONNECTION;
}

/** What was done: "net.netfilter.nf_conntrack_max = 262144", and what could not be. */
interface ConntrackReport {
  set: string[];
  /** A sentence for each, which names the sysctl and what to do. */
  problems: string[];
}

/**
 * Sets what differs. In a separate network namespace the limit is the machine's and cannot be set,
 * and in a container /proc/sys is read-only: it then sets the rest, and the report says so.
 */
export async function setConntrack(
  settings: ConntrackSettings,
  cpus: number,
  directory = NETFILTER_DIRECTORY,
): Promise<ConntrackReport> {
  const report: ConntrackReport = { set: [], problems: [] };
  const max = conntrackMax(settings, cpus);
  if (max > 0) {
    const least = { [MAX]: max, [BUCKETS]: Math.floor(max / ENTRIES_PER_BUCKET) };
    for (const [name, value] of Object.entries(least)) {
      await setOne(report, directory, name, value, (present) => present >= value);
    }
  }
  for (const [name, value] of Object.entries(timeouts(settings))) {
    if (value > 0) await setOne(report, directory, name, value, (present) => present === value);
  }
  return report;
}

function timeouts(settings: ConntrackSettings): Record<string, number> {
  const seconds = (ms: number) => Math.floor(ms / 1_000);
  return {
    nf_conntrack_tcp_timeout_established: seconds(settings.tcpEstablishedTimeoutMs),
    nf_conntrack_tcp_timeout_close_wait: seconds(settings.tcpCloseWaitTimeoutMs),
    nf_conntrack_tcp_be_liberal: settings.tcpBeLiberal ? 1 : 0,
    nf_conntrack_udp_timeout: seconds(settings.udpTimeoutMs),
    nf_conntrack_udp_timeout_stream: seconds(settings.udpStreamTimeoutMs),
  };
}

async function setOne(
  report: ConntrackReport,
  directory: string,
  name: string,
  value: number,
  isWell: (present: number) => boolean,
): Promise<void> {
  const file = join(directory, name);
  const setting = `net.netfilter.${name}`;
  const present = Number(await readFile(file, "utf8").catch(() => "NaN"));
  if (isWell(present)) return;
  try {
    await writeFile(file, `${value}\n`, { flag: "r+" });
    report.set.push(`${setting} = ${value}`);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const todo =
      code === "ENOENT"
        ? "load the kernel module nf_conntrack before Portico starts"
        : `set it on the node: sysctl -w ${setting}=${value}`;
    const was = Number.isNaN(present) ? "" : ` from ${present}`;
    report.problems.push(`cannot set ${setting}${was} to ${value} (${message}); ${todo}`);
  }
}
