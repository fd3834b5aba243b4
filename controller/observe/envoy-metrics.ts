// Envoy's metrics, the plugin's counters (portico_*) among them. Its admin interface is a Unix
// socket that no Prometheus reaches, so that they are passed on.

import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { type Answer, TEXT } from "./http-endpoint.ts";

const PATH = "/stats/prometheus";
const PATIENCE_MS = 5_000;

/** 503 when Envoy does not answer. */
export async function envoyMetrics(adminSocket: string): Promise<Answer> {
  try {
    const asked = request({
      socketPath: adminSocket,
      path: PATH,
      signal: AbortSignal.timeout(PATIENCE_MS),
    }).end();
    const [response] = (await once(asked, "response")) as [IncomingMessage];
    const body = Buffer.concat(await response.toArray()).toString("utf8");
    return { status: response.statusCode ?? 503, type: TEXT, body };
  } catch (error) {
    return { status: 503, type: TEXT, body: `Envoy: ${(error as Error).message}\n` };
  }
}
