// Envoy's admin interface on its Unix socket: one question, and what of the answers matters here.

import { type IncomingMessage, request } from "node:http";

const PATIENCE_MS = 2_000;

export interface AdminAnswer {
  status: number;
  body: string;
}

/** Rejects with the error of the socket, or an AbortError or TimeoutError after a while. */
export function askAdmin(
  socketPath: string,
  path: string,
  timeoutMs = PATIENCE_MS,
  method: "GET" | "POST" = "GET",
): Promise<AdminAnswer> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const asked = request({ socketPath, method, path, signal }, (response) => {
      bodyOf(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    });
    asked.on("error", reject);
    asked.end();
  });
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  return Buffer.concat(await response.toArray()).toString("utf8");
}

/** What clients have open. */
export interface OpenConnections {
  /** Of the capture listeners, those that are only being closed too. */
  tcp: number;
  udpFlows: number;
}

/**
 * The capture listeners' statistics carry their address ("0.0.0.0_15401", "[__]_15401"), the
 * table's a path, and a worker's share of either its name. A connection whose client is gone counts
 * as a flush until its backend has what the client sent.
 */
const CONNECTION_STATS =
  "^(listener\\.[^a-z/]+\\.downstream_(pre_)?cx_active|tcp\\.portico\\.upstream_flush_active|" +
  "udp\\.portico\\.downstream_sess_active)$";

export async function openConnections(adminSocket: string): Promise<OpenConnections> {
  const { body } = await askAdmin(
    adminSocket,
    `/stats?filter=${encodeURIComponent(CONNECTION_STATS)}`,
  );
  const open = { tcp: 0, udpFlows: 0 };
  for (const [, name = "", value] of body.matchAll(/^(\S+): (\d+)$/gm)) {
    open[name.startsWith("udp.") ? "udpFlows" : "tcp"] += Number(value);
  }
  return open;
}

export interface ServerInfo {
  /** "1.40.0" */
  version: string;
  uptimeSeconds: number;
}

export async function serverInfo(adminSocket: string): Promise<ServerInfo> {
  const { body } = await askAdmin(adminSocket, "/server_info");
  const info = JSON.parse(body) as { version: string; uptime_current_epoch: string };
  return {
    version: versionFrom(info.version) ?? info.version,
    uptimeSeconds: Number.parseInt(info.uptime_current_epoch, 10),
  };
}

/** "…/1.40.0/Clean/RELEASE/BoringSSL" → "1.40.0"; undefined when there is no such part. */
export function versionFrom(text: string): string | undefined {
  return /\/(\d+\.\d+\.\d+)[^/]*\//.exec(text)?.[1];
}
