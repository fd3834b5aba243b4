// The cluster → how many ServicePorts have a Local traffic policy, endpoints somewhere, and none on
// this node, so their connections are dropped here. Counted as kube-proxy does for
// kubeproxy_sync_proxy_rules_no_local_endpoints_total (nftables/proxier.go, 1.37). Pure.

import { familyOf } from "../model/ip.ts";
import type { EndpointSlice, IPFamily, Service } from "../model/types.ts";
import { categorizeEndpoints } from "../node/categorize-endpoints.ts";
import { portEndpoints } from "../node/port-endpoints.ts";

export interface LocalPolicyGap {
  family: IPFamily;
  policy: "internal" | "external";
}

/** Returns one gap for each family, port and policy of a Service that is served. */
export function localPolicyGaps(
  service: Service,
  slices: readonly EndpointSlice[],
  nodeName: string,
): LocalPolicyGap[] {
  const policies = localPoliciesOf(service);
  if (policies.length === 0) return [];
  const gaps: LocalPolicyGap[] = [];
  for (const family of new Set(service.clusterIPs.map(familyOf))) {
    for (const port of service.ports) {
      const endpoints = portEndpoints(slices, family, port, nodeName);
      const { localEndpoints, hasAnyEndpoints } = categorizeEndpoints(
        endpoints,
        { usesClusterEndpoints: false, usesLocalEndpoints: true },
        { name: nodeName, zone: "" },
      );
      if (!hasAnyEndpoints || localEndpoints.length > 0) continue;
      for (const policy of policies) gaps.push({ family, policy });
    }
  }
  return gaps;
}

/** An external policy counts only where clients can dial something external. */
function localPoliciesOf(service: Service): LocalPolicyGap["policy"][] {
  const { type, externalIPs, internalTrafficPolicy, externalTrafficPolicy } = service;
  const policies: LocalPolicyGap["policy"][] = [];
  if (type === "ExternalName") return policies;
  if (internalTrafficPolicy === "Local") policies.push("internal");
  const isAccessible = type !== "ClusterIP" || externalIPs.length > 0;
  if (isAccessible && externalTrafficPolicy === "Local") policies.push("external");
  return policies;
}
