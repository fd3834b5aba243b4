// Facts and settings → all findings, the worst first. Pure. How to add one: write a function in the
// file of its subject and call it there; what it needs from the node goes into facts.ts and
// read-node.ts.

import { addressFindings } from "./addresses.ts";
import { enforcersIn, tracesOf } from "./enforcers.ts";
import type { CheckSettings, NodeFacts } from "./facts.ts";
import { type Finding, sortedFindings } from "./finding.ts";
import { firewallFindings } from "./firewalls.ts";
import { foreignProxyFindings } from "./foreign-proxies.ts";
import { kernelFeatureFindings } from "./kernel-features.ts";
import { kubeProxyFindings, schedulerFindings } from "./kube-proxy.ts";
import { markAndRouteFindings } from "./marks-and-routes.ts";
import { nodeSettingFindings } from "./node-settings.ts";
import { portFindings } from "./ports.ts";

/** Returns all findings, the worst first; those of one level in the order of the subjects here. */
export function checkNode(facts: NodeFacts, settings: CheckSettings): Finding[] {
  return sortedFindings([
    ...kubeProxyFindings(facts),
    ...schedulerFindings(settings),
    ...foreignProxyFindings(facts),
    ...enforcersIn(tracesOf(facts), settings.policyHook),
    ...kernelFeatureFindings(facts),
    ...addressFindings(facts, settings),
    ...markAndRouteFindings(facts, settings),
    ...portFindings(facts, settings),
    ...nodeSettingFindings(facts, settings),
    ...firewallFindings(facts, settings),
  ]);
}
