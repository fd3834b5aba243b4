// Addresses that several Services claim: one of them gets the connections. Pure; node/node-view.ts
// decides which one, as on every node.

import { objectKey } from "../model/cluster-state.ts";
import type { ObjectKey } from "../model/types.ts";
import { DEFAULT_SETTINGS } from "../node/frontend-settings.ts";
import { serviceViewFrom } from "../node/frontends.ts";
import { NodeView } from "../node/node-view.ts";
import type { ThisNode } from "../node/this-node.ts";
import type { Frontend, FrontendKey } from "../node/types.ts";
import { type ServiceCase, some } from "./case.ts";
import { getServices } from "./kubectl.ts";
import type { DoctorCluster, Finding } from "./types.ts";

export interface Claims {
  winners: ReadonlyMap<FrontendKey, Frontend>;
  /** All Services that claim a frontend, the winner included; only frontends that several claim. */
  contested: ReadonlyMap<FrontendKey, readonly ObjectKey[]>;
}

/** Returns all claims; node ports claim the addresses of all nodes. */
export function claimsOf(cluster: DoctorCluster): Claims {
  const view = new NodeView();
  const node: ThisNode = {
    name: "",
    zone: "",
    primaryAddresses: [],
    nodePortAddresses: (cluster.nodes ?? []).flatMap(({ node: { addresses } }) => addresses),
    defaults: DEFAULT_SETTINGS,
  };
  const claimants = new Map<FrontendKey, ObjectKey[]>();
  for (const { service } of cluster.services) {
    const own = serviceViewFrom(service, [], node, service.serviceProxyName);
    view.apply([[objectKey(service), own]]);
    for (const { key } of own?.frontends ?? []) {
      claimants.set(key, [...(claimants.get(key) ?? []), objectKey(service)]);
    }
  }
  const contested = new Map([...claimants].filter(([, services]) => services.length > 1));
  return { winners: view.frontends, contested };
}

/**
 * Reports each address and port that another Service claims too: an error when the other is served,
 * a warning when this one is.
 */
export function conflictFindings(of: ServiceCase, claims: Claims): Finding[] {
  const findings: Finding[] = [];
  for (const [key, services] of claims.contested) {
    if (!services.includes(of.key)) continue;
    const winner = claims.winners.get(key);
    if (!winner) continue;
    const holder = `${winner.namespace}/${winner.service}`;
    const others = services.filter((service) => service !== of.key);
    if (holder === of.key) {
      const text = `${key} is also used by ${some(others)}, but served for this Service`;
      findings.push(of.find("warning", "address-conflict", text, getServices(namespaceOf(others))));
      continue;
    }
    const text =
      `${key} is served for Service ${holder} (${winner.kind}), which uses it too; change the ` +
      "address or port of one of them";
    findings.push(of.find("error", "address-conflict", text, getServices(winner.namespace)));
  }
  return findings;
}

function namespaceOf(services: readonly ObjectKey[]): string {
  return (services[0] ?? "").split("/")[0] ?? "";
}
