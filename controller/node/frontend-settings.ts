// What a Service's annotations say and the node's defaults → what applies to its frontends, and to
// each of its endpoints.

import { cidrContains } from "../model/ip.ts";
import { NO_SETTINGS } from "../model/service-settings.ts";
import type {
  Balancing,
  Endpoint,
  EndpointPattern,
  Service,
  ServiceSettings,
} from "../model/types.ts";
import type { ThisNode } from "./this-node.ts";
import type { Backend, FrontendSettings } from "./types.ts";

/** Where neither a Service nor the node says anything. */
export const DEFAULT_SETTINGS: FrontendSettings = Object.freeze({
  balancing: "random",
  ejection: true,
  maxConnections: 0,
  maxNewConnectionsPerSecond: 0,
});

/** Returns the defaults themselves where the Service says nothing. */
export function frontendSettings(
  settings: ServiceSettings,
  defaults: FrontendSettings,
): FrontendSettings {
  if (settings === NO_SETTINGS) return defaults;
  const { balancing, ejection, maxConnections, maxNewConnectionsPerSecond, pick } = settings;
  return {
    ...(pick && { pick }),
    balancing: balancing ?? defaults.balancing,
    ejection: ejection ?? defaults.ejection,
    maxConnections: maxConnections || defaults.maxConnections,
    maxNewConnectionsPerSecond: maxNewConnectionsPerSecond || defaults.maxNewConnectionsPerSecond,
  };
}

/** Reports whether there is a limit. */
export function isLimited(settings: FrontendSettings): boolean {
  return settings.maxConnections !== 0 || settings.maxNewConnectionsPerSecond !== 0;
}

/** Reports whether a UDP port's backends cannot be picked this way: any is, then. */
export function isOnlyForTCP(balancing: Balancing | undefined): boolean {
  return balancing === "least-connections" || balancing === "failover";
}

/** Reports whether the node's zone decides how a Service's backends are picked. */
export function prefersZone({ settings }: Service, defaults: FrontendSettings): boolean {
  const { balancing } = frontendSettings(settings, defaults);
  return balancing === "failover" && settings.preferred.length === 0;
}

type EndpointSettings = Pick<Backend, "weight" | "isPreferred">;
type Named = Pick<Endpoint, "address" | "podName" | "zone">;

const NONE: EndpointSettings = Object.freeze({});

/** Returns what says what balancing needs of an endpoint; undefined where it needs nothing. */
export function endpointSettings(
  service: Service,
  node: ThisNode,
): ((endpoint: Named) => EndpointSettings) | undefined {
  const { settings } = service;
  const { balancing } = frontendSettings(settings, node.defaults);
  if (balancing === "weighted") return (endpoint) => weightOf(endpoint, settings.weights);
  if (balancing !== "failover") return undefined;
  return (endpoint) => (isPreferred(endpoint, settings.preferred, node) ? PREFERRED : NONE);
}

const PREFERRED: EndpointSettings = Object.freeze({ isPreferred: true });

function weightOf(endpoint: Named, weights: ServiceSettings["weights"]): EndpointSettings {
  const found = weights.find(({ pattern }) => matches(pattern, endpoint));
  return found === undefined || found.weight === 1 ? NONE : { weight: found.weight };
}

function isPreferred(
  endpoint: Named,
  preferred: readonly EndpointPattern[],
  { zone }: ThisNode,
): boolean {
  if (preferred.length === 0) return zone !== "" && endpoint.zone === zone;
  return preferred.some((pattern) => matches(pattern, endpoint));
}

function matches(pattern: EndpointPattern, { address, podName = "" }: Named): boolean {
  if (pattern.includes("/")) return cidrContains(pattern, address);
  return pattern.endsWith("*") ? podName.startsWith(pattern.slice(0, -1)) : podName === pattern;
}
