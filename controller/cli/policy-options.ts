// The hook in which rules of others see Envoy's connections to backends: the flag that `portico
// run` and `portico check` share, and what run does where NetworkPolicies would not hold.

import { Option } from "commander";
import { POLICY_HOOKS } from "../capture/options.ts";

/** Returns the flag --policy-hook. */
export function policyHookOption(): Option {
  return new Option(
    "--policy-hook <hook>",
    "hook in which network policies and firewalls see Envoy's connections to backends: " +
      "forward, as with kube-proxy; output, as connections of the node itself, which many " +
      "enforcers of NetworkPolicy allow",
  )
    .choices(POLICY_HOOKS)
    .default("forward");
}

/** Returns the flag --allow-open-policies, which is off by default. */
export function allowOpenPoliciesOption(): Option {
  return new Option(
    "--allow-open-policies",
    "start even if an enforcer of NetworkPolicy, with this --policy-hook, allows what its " +
      "policies deny; portico check reports it",
  ).default(false);
}
