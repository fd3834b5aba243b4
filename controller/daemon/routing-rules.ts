// The node's routing rules → what of them may take the packets that Envoy is to get, for people;
// as `portico check` finds it.

import type { CaptureOptions } from "../capture/options.ts";
import { type RunProgram, runProgram } from "../capture/program.ts";
import type { Rule } from "../check/facts.ts";
import { rulesBefore } from "../check/marks-and-routes.ts";
import { rulesFrom } from "../check/network-facts.ts";

const FAMILIES = [
  ["IPv4", "-4"],
  ["IPv6", "-6"],
] as const;

/** One sentence where there are any; none also when ip cannot be asked, which fails later. */
export async function routingRuleProblems(
  options: Pick<CaptureOptions, "markBit" | "rulePriority">,
  run: RunProgram = runProgram,
): Promise<string[]> {
  const rules: Rule[] = [];
  for (const [family, option] of FAMILIES) {
    const printed = await run("ip", ["-j", option, "rule", "show"], "").catch(() => undefined);
    if (printed?.code === 0) rules.push(...rulesFrom(family, printed.stdout));
  }
  return rulesBefore(rules, options).map(({ what, seen, todo }) => `${what}: ${seen}; ${todo}`);
}
