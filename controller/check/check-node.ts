// Facts and settings → all findings, the worst first. Pure. How to add one: a function in the file
// of its subject, called there; what it needs of the node goes into facts.ts and read-node.ts.

import { addressFindings } from "./addresses.ts";
import type { CheckSettings, NodeFacts } from "./facts.ts";
import { type Finding, sortedFindings } from "./finding.ts";
import { firewallFindings } from "./firewalls.ts";
import { kernelFeatureFindings } from "./kernel-features.ts";
import { kubeProxyFindings } from "./kube-proxy.ts";
import { markAndRouteFindings } from "./marks-and-routes.ts";
import { nodeSettingFindings } from "./node-settings.ts";
import { otherProxyFindings } from "./other-proxies.ts";
import { portFindings } from "./ports.ts";

export function checkNode(facts: NodeFacts, settings: CheckSettings): Finding[] {
  return sortedFindings([
    ...kubeProxyFindings(facts),
    ...otherProxyFindings(facts),
    ...kernelFeatureFindings(facts),
    ...addressFindings(facts, settings),
    ...markAndRouteFindings(facts, settings),
    ...portFindings(facts, settings),
    ...nodeSettingFindings(facts, settings),
    ...firewallFindings(facts, settings),
  ]);
}
