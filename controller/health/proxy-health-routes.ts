// The proxy's health → /healthz and /livez, the paths of kube-proxy's port 10256.

import { type Answer, JSON_TYPE } from "../http/answer.ts";
import type { Route } from "../http/routes.ts";
import type { HealthAnswer, ProxyHealth } from "./proxy-health.ts";

interface ProxyHealthRouteOptions {
  health: ProxyHealth;
  isNodeEligible: () => boolean;
  /** Called for every answer. */
  answered: (path: "healthz" | "livez", status: number) => void;
}

/** Returns the answers by path: 200 when healthy and 503 otherwise, with kube-proxy's JSON. */
export function proxyHealthRoutes(options: ProxyHealthRouteOptions): Record<string, Route> {
  const { health, isNodeEligible, answered } = options;
  const answer = (path: "healthz" | "livez", { healthy, body }: HealthAnswer): Answer => {
    const status = healthy ? 200 : 503;
    answered(path, status);
    return { status, type: JSON_TYPE, body };
  };
  return {
    "/healthz": () => answer("healthz", health.healthz(isNodeEligible())),
    "/livez": () => answer("livez", health.livez()),
  };
}
