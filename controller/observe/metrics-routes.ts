// What the port 10249 answers: kube-proxy's paths, and /metrics/envoy.

import { type Answer, JSON_TYPE, type Route, TEXT } from "./http-endpoint.ts";
import { profileRoutes } from "./profile.ts";
import { SliMetrics } from "./sli-metrics.ts";
import { type ZpageFacts, zpages } from "./zpages.ts";

/**
 * Whoever asks kube-proxy for its mode compares with "iptables", "ipvs" and "nftables", to find out
 * which rules to expect. None of them is true here, so that Portico says its own name.
 */
const PROXY_MODE = "portico";

export interface MetricsRouteOptions {
  metrics: () => Promise<{ type: string; body: string }>;
  envoyMetrics: () => Promise<Answer>;
  /** Settings by component, as kube-proxy's /configz has them. */
  configz: () => Readonly<Record<string, object>>;
  profiling: boolean;
  facts: ZpageFacts;
}

export function metricsRoutes(options: MetricsRouteOptions): Record<string, Route> {
  const { metrics, envoyMetrics, configz, profiling, facts } = options;
  const slis = new SliMetrics(facts.startedAt);
  const routes: Record<string, Route> = {
    "/metrics": async () => ({ status: 200, ...(await metrics()) }),
    "/metrics/envoy": () => envoyMetrics(),
    "/metrics/slis": () => slis.answer(),
    "/healthz": () => {
      slis.observe("ping", "healthz", true);
      return { status: 200, type: TEXT, body: "ok" };
    },
    "/proxyMode": () => ({ status: 200, type: TEXT, body: PROXY_MODE }),
    "/configz": () => ({ status: 200, type: JSON_TYPE, body: JSON.stringify(configz()) }),
    ...(profiling && profileRoutes()),
  };
  return { ...routes, ...zpages(facts, Object.keys(routes)) };
}
