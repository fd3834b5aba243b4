// Envoy's metrics, including the plugin's counters (portico_*). Envoy's admin interface is a Unix
// socket that Prometheus cannot reach, so the controller passes them on.

import { type Answer, TEXT } from "../http/answer.ts";
import { askUnix } from "../http/ask-unix.ts";

const PATH = "/stats/prometheus";
const PATIENCE_MS = 5_000;

/** Passes on Envoy's answer; 503 when it does not answer. */
export async function envoyMetrics(adminSocket: string): Promise<Answer> {
  try {
    const asked = { socketPath: adminSocket, path: PATH, timeoutMs: PATIENCE_MS };
    const { status, body } = await askUnix(asked);
    return { status, type: TEXT, body: body.toString("utf8") };
  } catch (error) {
    return { status: 503, type: TEXT, body: `Envoy: ${(error as Error).message}\n` };
  }
}
