// The node's routing rules → what of them may take the packets that Envoy is to get, in sentences;
// as `portico check` finds it.

import { familiesOf } from "../capture/families.ts";
import type { CaptureOptions } from "../capture/options.ts";
import { type RunProgram, runProgram } from "../capture/program.ts";
import type { Rule } from "../check/facts.ts";
import { rulesBefore } from "../check/marks-and-routes.ts";
import { ownRuleFrom, rulesFrom } from "../check/network-facts.ts";
import type { Clock } from "../clock.ts";
import type { KernelWatch } from "../kernel-watch/kernel-watch.ts";
import { spaced } from "./spaced.ts";

/** Some networks have rules for each Pod. */
const INTERVAL_MS = 1_000;
const RETRY_MS = 5_000;
/** A repair that the same change asks for goes first. */
const AFTER_REPAIRS_MS = 100;

/** Of Portico's own rule: which packets it is for, and where it stands. */
export type OwnRule = Pick<CaptureOptions, "markBit" | "rulePriority">;

/** One sentence where there are any; undefined when ip cannot be asked. */
export async function routingRuleProblems(
  own: OwnRule,
  run: RunProgram = runProgram,
): Promise<string[] | undefined> {
  const read = await readRules(run);
  return read && sentences(read.rules, own);
}

/** By Portico's rule as the kernel has it; none when it has none, or ip cannot be asked. */
export async function presentRoutingRuleProblems(run: RunProgram = runProgram): Promise<string[]> {
  const read = await readRules(run);
  return read?.own ? sentences(read.rules, read.own) : [];
}

function sentences(rules: readonly Rule[], own: OwnRule): string[] {
  return rulesBefore(rules, own).map(({ what, seen, todo }) => `${what}: ${seen}; ${todo}`);
}

/** A family that the kernel does not have has no rules. */
async function readRules(run: RunProgram): Promise<{ rules: Rule[]; own?: OwnRule } | undefined> {
  const rules: Rule[] = [];
  let own: OwnRule | undefined;
  let isRead = false;
  for (const { family, ipOption } of familiesOf(["IPv4", "IPv6"])) {
    const printed = await run("ip", ["-j", ipOption, "rule", "show"], "").catch(() => undefined);
    if (printed?.code !== 0) continue;
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
  /** Gets what is so by now; empty when no rule is in the way. */
  report: (messages: readonly string[]) => void;
  run?: RunProgram;
}

/** Looks at the start and whenever a rule comes or goes; when it cannot, a little later again. */
export class RoutingRuleWatch {
  readonly #parts: RoutingRuleWatchParts;
  #looking: Promise<void> = Promise.resolve();
  #cancelRetry = () => {};
  #stopped = false;

  constructor(parts: RoutingRuleWatchParts) {
    this.#parts = parts;
    const { watch, clock } = parts;
    onRoutingRules(watch, clock, () => {
      clock.after(AFTER_REPAIRS_MS, () => void this.look());
    });
  }

  /** Resolves when it has reported. One look follows the other, so the last to report is newest. */
  look(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#look());
    return this.#looking;
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelRetry();
  }

  async #look(): Promise<void> {
    if (this.#stopped) return;
    const { own, run, report, clock } = this.#parts;
    const messages = await routingRuleProblems(own, run);
    this.#cancelRetry();
    if (this.#stopped) return;
    if (messages) report(messages);
    else this.#cancelRetry = clock.after(RETRY_MS, () => void this.look());
  }
}
