// The node's routing rules → what of them may take the packets that Envoy is to get, in words;
// as `portico check` finds it.

import { familiesOf } from "../capture/families.ts";
import type { CaptureOptions } from "../capture/options.ts";
import { type RunProgram, runProgram } from "../capture/program.ts";
import type { Rule } from "../check/facts.ts";
import { rulesBefore } from "../check/marks-and-routes.ts";
import { rulesFrom } from "../check/network-facts.ts";
import type { Clock } from "../clock.ts";
import type { KernelWatch } from "../kernel-watch/kernel-watch.ts";
import { spaced } from "./spaced.ts";

/** Some networks have rules for each Pod. */
const INTERVAL_MS = 1_000;

/** One sentence where there are any; none also when ip cannot be asked, which fails later. */
export async function routingRuleProblems(
  options: Pick<CaptureOptions, "markBit" | "rulePriority">,
  run: RunProgram = runProgram,
): Promise<string[]> {
  const rules: Rule[] = [];
  for (const { family, ipOption } of familiesOf(["IPv4", "IPv6"])) {
    const printed = await run("ip", ["-j", ipOption, "rule", "show"], "").catch(() => undefined);
    if (printed?.code === 0) rules.push(...rulesFrom(family, printed.stdout));
  }
  return rulesBefore(rules, options).map(({ what, seen, todo }) => `${what}: ${seen}; ${todo}`);
}

/** Calls `look` soon after routing rules changed, or may have changed while nothing watched. */
export function onRoutingRules(
  watch: Pick<KernelWatch, "listen">,
  clock: Clock,
  look: () => void,
): void {
  const soon = spaced(clock, INTERVAL_MS, look);
  watch.listen("rule", soon);
  watch.listen("missed", ({ of }) => {
    if (of === "routing") soon();
  });
}
