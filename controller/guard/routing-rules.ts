// The node's routing rules → in sentences, which of them may divert packets meant for Envoy; as in
// `portico check`.

import { familiesOf } from "../capture/families.ts";
import type { CaptureOptions } from "../capture/options.ts";
import { type RunProgram, runProgram } from "../capture/program.ts";
import type { Rule } from "../check/facts.ts";
import { rulesBefore } from "../check/marks-and-routes.ts";
import { ownRuleFrom, rulesFrom } from "../check/network-facts.ts";
import type { KernelWatch } from "../kernel-watch/kernel-watch.ts";
import type { Clock } from "../system/clock.ts";
import { Looks } from "../system/looks.ts";
import { spaced } from "../system/spaced.ts";

/** Some networks have rules for each Pod. */
const INTERVAL_MS = 1_000;
const RETRY_MS = 5_000;
/** A repair because of the same change goes first. */
const AFTER_REPAIRS_MS = 100;

/** Portico's own rule: which packets it matches, and its priority. */
type OwnRule = Pick<CaptureOptions, "markBit" | "rulePriority">;

/** Returns one sentence where there are any; undefined when ip cannot be run. */
export async function routingRuleProblems(
  own: OwnRule,
  run: RunProgram = runProgram,
): Promise<string[] | undefined> {
  const read = await readRules(run);
  return read && sentences(read.rules, own);
}

/** Compares with Portico's rule in the kernel; none when it has none, or ip cannot be run. */
export async function presentRoutingRuleProblems(run: RunProgram = runProgram): Promise<string[]> {
  const read = await readRules(run);
  return read?.own ? sentences(read.rules, read.own) : [];
}

function sentences(rules: readonly Rule[], own: OwnRule): string[] {
  return rulesBefore(rules, own).map(({ what, seen, todo }) => `${what}: ${seen}; ${todo}`);
}

/**
 * A family that the kernel lacks has no rules. Undefined when ip cannot be run for one of them: its
 * rules must not count as gone.
 */
async function readRules(run: RunProgram): Promise<{ rules: Rule[]; own?: OwnRule } | undefined> {
  const rules: Rule[] = [];
  let own: OwnRule | undefined;
  let isRead = false;
  for (const { family, ipOption } of familiesOf(["IPv4", "IPv6"])) {
    const printed = await run("ip", ["-j", ipOption, "rule", "show"], "").catch(() => undefined);
    if (!printed) return undefined;
    if (printed.code !== 0) continue;
    isRead = true;
    rules.push(...rulesFrom(family, printed.stdout));
    own ??= ownRuleFrom(printed.stdout);
  }
  if (!isRead) return undefined;
  return own ? { rules, own } : { rules };
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

interface RoutingRuleWatchParts {
  watch: Pick<KernelWatch, "listen">;
  clock: Clock;
  own: OwnRule;
  /** Receives the present findings; empty when no rule is in the way. */
  report: (messages: readonly string[]) => void;
  run?: RunProgram;
}

/** Looks at the start and whenever a rule appears or disappears; retries a little later. */
export class RoutingRuleWatch {
  readonly #parts: RoutingRuleWatchParts;
  readonly #looks: Looks;

  constructor(parts: RoutingRuleWatchParts) {
    this.#parts = parts;
    const { watch, clock } = parts;
    this.#looks = new Looks({ clock, retryMs: RETRY_MS, look: () => this.#look() });
    onRoutingRules(watch, clock, () => {
      clock.after(AFTER_REPAIRS_MS, () => void this.look());
    });
  }

  /** Resolves when it has reported. Looks do not overlap, so the last report is the newest. */
  look(): Promise<void> {
    return this.#looks.now();
  }

  stop(): void {
    this.#looks.stop();
  }

  async #look(): Promise<void> {
    const { own, run, report } = this.#parts;
    const messages = await routingRuleProblems(own, run);
    if (!messages) throw new Error("ip cannot be run");
    if (!this.#looks.isStopped) report(messages);
  }
}
