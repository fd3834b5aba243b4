// What port 10249 serves: kube-proxy's paths, and /metrics/envoy.

import { type Answer, JSON_TYPE, TEXT } from "../http/answer.ts";
import type { Route } from "../http/routes.ts";
import { profileRoutes } from "./profile.ts";
import { SliMetrics } from "./sli-metrics.ts";
import { type ZpageFacts, zpages } from "./zpages.ts";

/**
 * Programs that ask kube-proxy for its mode compare with "iptables", "ipvs" and "nftables", to
 * learn which rules to expect. None of them is true here, so Portico answers with its own name.
 */
const PROXY_MODE = "portico";

interface MetricsRouteOptions {
  metrics: () => Promise<{ type: string; body: string }>;
  envoyMetrics: () => Promise<Answer>;
  /** Settings by component, as kube-proxy's /configz has them. */
  configz: () => Readonly<Record<string, object>>;
  profiling: boolean;
  facts: ZpageFacts;
}

/**
 * Returns the answers by path. The paths of profiles exist only with `profiling`, as in kube-proxy.
 */
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
