// Those that are compared, by name.

import { ANTREA } from "./antrea-rules.ts";
import { CALICO } from "./calico-rules.ts";
import type { Enforcer } from "./enforcer.ts";
import { KubeNetworkPolicies } from "./kube-network-policies.ts";
import { KubeRouter } from "./kube-router.ts";
import { RulesByHand } from "./rules-by-hand.ts";

export const ENFORCERS: Readonly<
  Record<string, (tell: (line: string) => void) => Promise<Enforcer>>
> = {
  "kube-router": (tell) => KubeRouter.make(tell),
  "kube-network-policies": (tell) => KubeNetworkPolicies.make(tell),
  [CALICO.name]: async () => new RulesByHand(CALICO),
  [ANTREA.name]: async () => new RulesByHand(ANTREA),
};
