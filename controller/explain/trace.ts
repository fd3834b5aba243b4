// A packet and the kernel's table → its way through the chains of a hook: the rules that matched,
// the elements that decided, and the result. As Kubernetes' nftables/helpers_test.go traces
// packets, but through the rules that the kernel really has.

import type { Evidence } from "./evidence.ts";
import { type Chain, chainsOfHook, type KernelTable } from "./kernel-table.ts";
import type { Packet } from "./packet.ts";
import { applyRule, type RuleOutcome, type UsedElement } from "./rule.ts";

export type Hook = "prerouting" | "input" | "output" | "postrouting";

/** A rule that the packet met and that matched. */
export interface TraceStep {
  hook: Hook;
  chain: string;
  rule: string;
  /** The elements that the rule found, in sets and maps. */
  elements: UsedElement[];
}

export interface Trace {
  steps: TraceStep[];
  /** accept: it continues, to the next hook. */
  end: "accept" | "drop" | "reject";
  /** The listener of Envoy to which TPROXY gave it. */
  listener: string | undefined;
  masquerades: boolean;
  /** Whether a chain changed its mark after routing, so that it is routed again. */
  isRerouted: boolean;
  /** Rules that explain cannot read. */
  unknownRules: string[];
}

/** Chains that lead to each other this often form a loop, which nft forbids. */
const MAX_DEPTH = 32;

/** Changes the packet as the rules do. */
export function traceHook(
  hook: Hook,
  packet: Packet,
  table: KernelTable,
  evidence: Evidence,
): Trace {
  return new HookRun(hook, packet, table, evidence).trace();
}

type Ended = "accept" | "drop" | "reject" | undefined;

class HookRun {
  readonly #hook: Hook;
  readonly #packet: Packet;
  readonly #table: KernelTable;
  readonly #evidence: Evidence;
  readonly #trace: Trace = {
    steps: [],
    end: "accept",
    listener: undefined,
    masquerades: false,
    isRerouted: false,
    unknownRules: [],
  };

  constructor(hook: Hook, packet: Packet, table: KernelTable, evidence: Evidence) {
    this.#hook = hook;
    this.#packet = packet;
    this.#table = table;
    this.#evidence = evidence;
  }

  /** The next chain sees what one accepts; drop or reject ends the trace. */
  trace(): Trace {
    const trace = this.#trace;
    for (const chain of chainsOfHook(this.#table, this.#hook)) {
      const { mark } = this.#packet;
      const end = this.#through(chain, 0) ?? chain.base?.policy ?? "accept";
      if (chain.base?.reroutes && this.#packet.mark !== mark) trace.isRerouted = true;
      if (end !== "accept") return { ...trace, end };
    }
    return trace;
  }

  /** Returns undefined when the packet reaches the chain's end. */
  #through(chain: Chain, depth: number): Ended {
    for (const rule of chain.rules) {
      const outcome = applyRule(rule, this.#packet, this.#evidence);
      if (outcome.unknown !== undefined) this.#trace.unknownRules.push(`${chain.name}: ${rule}`);
      if (!outcome.matches) continue;
      this.#note(chain, rule, outcome);
      const { verdict } = outcome;
      if (!verdict) continue;
      if (verdict.kind === "return") return undefined;
      if (!("chain" in verdict)) return verdict.kind;
      const end = this.#enter(verdict.chain, depth + 1);
      if (end !== undefined || verdict.kind === "goto") return end;
    }
    return undefined;
  }

  #enter(name: string, depth: number): Ended {
    const chain = this.#table.get(name);
    return chain && depth < MAX_DEPTH ? this.#through(chain, depth) : undefined;
  }

  #note(chain: Chain, rule: string, { elements, listener, masquerades }: RuleOutcome): void {
    this.#trace.steps.push({ hook: this.#hook, chain: chain.name, rule, elements });
    this.#trace.listener ??= listener;
    this.#trace.masquerades ||= masquerades;
  }
}
