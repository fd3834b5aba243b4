// Traffic policies and topology hints: on which nodes do they leave a Service without endpoints, or
// with unintended ones? Pure.

import { familyOf } from "../model/ip.ts";
import type { IPFamily, Service } from "../model/types.ts";
import { type PortEndpoint, portEndpoints } from "../node/port-endpoints.ts";
import { count, readSlices, type ServiceCase, some } from "./case.ts";
import { getSlices } from "./kubectl.ts";
import type { Finding } from "./types.ts";

/**
 * Reports nodes on which a policy Local leaves no endpoint, and the zones for which topology hints
 * count, if they do. Empty where the Service uses neither, or has no ready endpoint.
 */
export function policyFindings(of: ServiceCase): Finding[] {
  const { service } = of;
  const policies: Finding[] = [];
  if (service.internalTrafficPolicy === "Local") policies.push(...localFindings(of, "internal"));
  const isExternal = service.type !== "ClusterIP" || service.externalIPs.length > 0;
  if (isExternal && service.externalTrafficPolicy === "Local") {
    policies.push(...localFindings(of, "external"));
  }
  return [...policies, ...hintFindings(of)];
}

function localFindings(of: ServiceCase, side: "internal" | "external"): Finding[] {
  const endpoints = readyEndpoints(of);
  const command = `${getSlices(of.service)} -o yaml`;
  if (endpoints.length === 0) return [];
  const policy = `${side}TrafficPolicy Local`;
  if (endpoints.every(({ endpoint }) => endpoint.nodeName === "")) {
    const text = `with ${policy} an endpoint must name its node (nodeName), and none does`;
    return [of.find("error", "endpoint-without-node", text, command)];
  }
  const nodes = of.cluster.nodes;
  if (!nodes) return [];
  const local = new Set(endpoints.map(({ endpoint }) => endpoint.nodeName));
  const without = nodes.map(({ node }) => node.name).filter((name) => !local.has(name));
  if (without.length === 0) {
    const text = `with ${policy} every node has an endpoint`;
    return [of.find("ok", "local-endpoints", text, command)];
  }
  const where = `${without.length} of ${count(nodes.length, "node")} (${some(without)})`;
  const who =
    side === "internal" ? "connections to its cluster IP from there" : outside(of.service);
  const text = `with ${policy} it has no ready endpoint on ${where}: ${who} are dropped`;
  const level = side === "external" && of.service.type === "LoadBalancer" ? "note" : "warning";
  return [of.find(level, "no-local-endpoint", text, command)];
}

/** A cloud's load balancer probes healthCheckNodePort, and avoids such nodes. */
function outside({ type, healthCheckNodePort }: Service): string {
  if (type !== "LoadBalancer") return "connections from outside the cluster to these nodes";
  const asks = healthCheckNodePort === 0 ? "" : ` unless it checks port ${healthCheckNodePort}`;
  return `connections that the load balancer sends there${asks}`;
}

function familiesOf({ clusterIPs }: Service): IPFamily[] {
  return [...new Set(clusterIPs.map(familyOf))];
}

/** Returns the usable ones of all ports and families. */
function readyEndpoints(of: ServiceCase): PortEndpoint[] {
  const slices = readSlices(of);
  const all = familiesOf(of.service).flatMap((family) => {
    return of.service.ports.flatMap((port) => portEndpoints(slices, family, port, ""));
  });
  return all.filter(({ endpoint }) => endpoint.ready || (endpoint.serving && endpoint.terminating));
}

/** As in categorize-endpoints.ts: hints count only when all ready endpoints have some. */
function hintFindings(of: ServiceCase): Finding[] {
  const ready = readyEndpoints(of).filter(({ endpoint }) => endpoint.ready);
  const hinted = ready.filter(({ endpoint }) => endpoint.zoneHints.length > 0);
  const command = `${getSlices(of.service)} -o yaml`;
  if (hinted.length === 0) return [];
  if (hinted.length < ready.length) {
    const without = ready.filter(({ endpoint }) => endpoint.zoneHints.length === 0);
    const names = some([...new Set(without.map(({ endpoint }) => endpoint.address))]);
    const text = `its topology hints are ignored: ${names} has none, so no node uses any`;
    return [of.find("note", "hints-ignored", text, command)];
  }
  const zones = new Set(hinted.flatMap(({ endpoint }) => endpoint.zoneHints));
  const nodes = of.cluster.nodes ?? [];
  const others = nodes.filter(({ node }) => {
    return !zones.has(node.labels["topology.kubernetes.io/zone"] ?? "");
  });
  const names = some(others.map(({ node }) => node.name));
  const text =
    others.length > 0
      ? `its topology hints are for zones ${some([...zones])}; nodes in other zones ` +
        `(${names}) use all`
      : "its topology hints keep connections within their zone";
  return [of.find(others.length > 0 ? "note" : "ok", "hints", text, command)];
}
