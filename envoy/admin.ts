// Envoy's admin interface on its Unix socket: one request, and what matters in the answers.

import { askUnix } from "../controller/http/ask-unix.ts";

const PATIENCE_MS = 2_000;

interface AdminAnswer {
  status: number;
  body: string;
}

/**
 * Sends one request to Envoy's admin interface. Rejects as askUnix does; absent `timeoutMs`: after
 * 2 s.
 */
export async function askAdmin(
  socketPath: string,
  path: string,
  timeoutMs = PATIENCE_MS,
  method: "GET" | "POST" = "GET",
): Promise<AdminAnswer> {
  const { status, body } = await askUnix({ socketPath, path, timeoutMs, method });
  return { status, body: body.toString("utf8") };
}

/** What clients have open at the moment. */
export interface OpenConnections {
  /** Connections of the capture listeners, including those that are being closed. */
  tcp: number;
  udpFlows: number;
}

/** What an Envoy refused since it started. */
export interface Refused {
  /** Connections over its limit, which it closed as soon as it had accepted them. */
  tcp: number;
  /** Datagrams that got no flow, by the name of the cluster that had as many as it may. */
  udp: ReadonlyMap<string, number>;
}

/**
 * The capture listeners' statistics contain their address ("0.0.0.0_15401", "[__]_15401"), the
 * table's a path, and a worker's share of either its name. A connection whose client is gone counts
 * as a flush until its backend has what the client sent.
 */
const CONNECTION_STATS =
  "listener\\.[^a-z/]+\\.downstream_(pre_)?cx_active|tcp\\.portico\\.upstream_flush_active|" +
  "udp\\.portico\\.downstream_sess_active";
const REFUSAL_STATS =
  "listener\\.[^a-z/]+\\.downstream_global_cx_overflow|cluster\\.udp/.*\\.upstream_cx_overflow";

/** Counts the open connections of the Envoy on this admin socket. Rejects as askUnix does. */
export async function openConnections(adminSocket: string): Promise<OpenConnections> {
  return openAmong(await statistics(adminSocket, CONNECTION_STATS));
}

/**
 * Counts what the Envoy on this admin socket has open, and what it refused for lack of room: in one
 * answer, because Envoy looks through all its statistics for each. Rejects as askUnix does.
 */
export async function openAndRefused(
  adminSocket: string,
): Promise<{ open: OpenConnections; refused: Refused }> {
  const found = await statistics(adminSocket, `${CONNECTION_STATS}|${REFUSAL_STATS}`);
  return { open: openAmong(found), refused: refusedAmong(found) };
}

type Statistics = readonly (readonly [name: string, value: number])[];

/** Returns those whose whole names match, except such as were 0 all the time. */
async function statistics(adminSocket: string, names: string): Promise<Statistics> {
  const path = `/stats?usedonly&filter=${encodeURIComponent(`^(${names})$`)}`;
  const { body } = await askAdmin(adminSocket, path);
  const lines = [...body.matchAll(/^(\S+): (\d+)$/gm)];
  return lines.map(([, name = "", value]) => [name, Number(value)]);
}

function openAmong(statistics: Statistics): OpenConnections {
  const open = { tcp: 0, udpFlows: 0 };
  for (const [name, value] of statistics) {
    if (name.endsWith("_active")) open[name.startsWith("udp.") ? "udpFlows" : "tcp"] += value;
  }
  return open;
}

function refusedAmong(statistics: Statistics): Refused {
  const udp = new Map<string, number>();
  let tcp = 0;
  for (const [name, value] of statistics) {
    const [, cluster] = /^cluster\.(.+)\.upstream_cx_overflow$/.exec(name) ?? [];
    if (cluster !== undefined) udp.set(cluster, value);
    else if (name.endsWith("_overflow")) tcp += value;
  }
  return { tcp, udp };
}

/**
 * Reads the most connections that the Envoy on this admin socket accepts at a time, from the
 * bootstrap that it was started with; undefined when that has no limit. Rejects as askUnix does.
 */
export async function connectionLimitOf(adminSocket: string): Promise<number | undefined> {
  const { body } = await askAdmin(adminSocket, "/config_dump?mask=bootstrap.overload_manager");
  const [, most] = /"max_active_downstream_connections": "(\d+)"/.exec(body) ?? [];
  return most === undefined ? undefined : Number(most);
}

interface ServerInfo {
  /** "1.40.0" */
  version: string;
  uptimeSeconds: number;
}

/** Reads the version and the age of the Envoy on this admin socket. Rejects as askUnix does. */
export async function serverInfo(adminSocket: string): Promise<ServerInfo> {
  const { body } = await askAdmin(adminSocket, "/server_info");
  const info = JSON.parse(body) as { version: string; uptime_current_epoch: string };
  return {
    version: versionFrom(info.version) ?? info.version,
    uptimeSeconds: Number.parseInt(info.uptime_current_epoch, 10),
  };
}

/**
 * Extracts the version from Envoy's text: "…/1.40.0/Clean/RELEASE/BoringSSL" → "1.40.0". Returns
 * undefined when there is no such part.
 */
export function versionFrom(text: string): string | undefined {
  return /\/(\d+\.\d+\.\d+)[^/]*\//.exec(text)?.[1];
}
