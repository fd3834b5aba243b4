// One rule's text and a packet → whether the rule matches, what it does, and which elements of sets
// decided that. Reads the rules of capture/chains.ts, as that file and as nft write them, and the
// simplest of those that operators add by hand; it reports any other as unknown. It reads the
// kernel's own rules, so it does not duplicate their decisions.

import { NOTED_SETS } from "../capture/masquerade.ts";
import { cidrContains } from "../model/ip.ts";
import type { Evidence, SetElement } from "./evidence.ts";
import { fieldValue, type Packet } from "./packet.ts";

type RuleVerdict =
  | { kind: "accept" | "drop" | "reject" | "return" }
  | { kind: "goto" | "jump"; chain: string };

/** An element of a set or map that a rule looked up and found. */
export interface UsedElement extends SetElement {
  set: string;
}

export interface RuleOutcome {
  matches: boolean;
  verdict?: RuleVerdict;
  elements: UsedElement[];
  /** The part of the rule that is not understood; the rule then counts as not matching. */
  unknown?: string;
  /** The listener of Envoy that gets the packet. */
  listener?: string;
  masquerades: boolean;
}

/** Changes the packet as the rule does when it matches. */
export function applyRule(text: string, packet: Packet, evidence: Evidence): RuleOutcome {
  return new RuleRun(text, packet, evidence).outcome();
}

const FIELD =
  "(?:fib [sd]addr type|" +
  "@th,\\d+,\\d+|(?:meta|ct|ip|ip6|th|tcp|udp|icmp|icmpv6|socket) [a-z0-9]+|[io]if(?:name)?)";
const KEY = `${FIELD}(?: \\. ${FIELD})*`;

/** What a statement does; false: the rule does not match. */
type Statement = (run: RuleRun, match: RegExpExecArray) => boolean;

/** To add a statement: how it starts, and what it does. The first that fits counts. */
const STATEMENTS: readonly (readonly [RegExp, Statement])[] = [
  [/^(accept|drop|return)\b/, (run, [, kind]) => run.ends({ kind: kind as "accept" })],
  [/^(goto|jump) (\S+)/, (run, [, kind, chain = ""]) => run.ends({ kind: kind as "goto", chain })],
  [/^reject\b.*/, (run) => run.ends({ kind: "reject" })],
  [/^masquerade\b.*/, (run) => run.masquerades()],
  // The packet goes there anyway, unless another proxy translates it.
  [/^dnat (ip6?) to ct original \1 daddr/, (run, [, header]) => run.isOf(header)],
  [/^dnat to :(\d+)/, (run, [, port = ""]) => run.translatesPort(port)],
  [/^counter(?: packets \d+ bytes \d+)?/, () => true],
  [/^comment "[^"]*"/, () => true],
  [/^tproxy (?:ip|ip6) to \S*:(\d+)/, (run, [text, port]) => run.hasListener(text, Number(port))],
  // The first packet of a connection is a SYN, alone.
  [
    /^tcp flags (?:& \(fin \| syn \| rst \| ack\) == syn|syn \/ fin,syn,rst,ack)/,
    ({ packet }) => packet.protocol === "tcp",
  ],
  [/^ct original zone set \d+/, () => true],
  [/^notrack\b/, ({ packet }) => (packet.isUntracked = true)],
  [/^meta mark set (0x[0-9a-f]+)/, (run, [, bits]) => run.setsMark("meta", "to", Number(bits))],
  [
    /^(meta|ct) mark set \1 mark (or|and|\||&) (0x[0-9a-f]+)(?: (?:or|\|) (0x[0-9a-f]+))?/,
    (run, [, which, operator = "", bits, more = 0]) =>
      run.setsMark(which, operator, Number(bits)) && run.setsMark(which, "or", Number(more)),
  ],
  [
    new RegExp(`^(update|delete) @(\\S+) \\{ (${KEY}) \\}`),
    (run, [, change, set = "", key = ""]) => run.changes(key, set, change === "update"),
  ],
  [/^udp ([sd]port) set (\d+)/, (run, [, field = "", port = ""]) => run.sets(field, port)],
  [
    new RegExp(`^(?:ip|ip6|udp) ([sd](?:addr|port)) set (${KEY}) map @(\\S+)`),
    (run, [, field = "", key = "", map = ""]) => run.sets(field, run.lookUp(key, map)?.value),
  ],
  [
    new RegExp(`^(${KEY}) vmap @(\\S+)`),
    (run, [, key = "", map = ""]) => run.leads(run.lookUp(key, map)?.value),
  ],
  [
    new RegExp(`^(${KEY}) (!= )?@(\\S+)`),
    (run, [, key = "", not, set = ""]) => run.isIn(key, set, not !== undefined),
  ],
  [
    new RegExp(`^(${FIELD})(?: (?:and|&) (\\S+))? ((?:==|!=|<|>=) )?(\\{[^}]*\\}|"[^"]*"|\\S+)`),
    (run, [, field = "", mask, operator, wanted = ""]) =>
      run.compares(field, mask, operator?.trim() ?? "==", wanted),
  ],
];

class RuleRun {
  readonly packet: Packet;
  readonly #evidence: Evidence;
  readonly #outcome: RuleOutcome = { matches: false, elements: [], masquerades: false };
  #rest: string;

  constructor(text: string, packet: Packet, evidence: Evidence) {
    this.#rest = text;
    this.packet = packet;
    this.#evidence = evidence;
  }

  outcome(): RuleOutcome {
    const outcome = this.#outcome;
    try {
      while (this.#rest !== "") if (!this.#step()) return outcome;
      outcome.matches = true;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      outcome.unknown = error.message;
    }
    return outcome;
  }

  #step(): boolean {
    for (const [pattern, statement] of STATEMENTS) {
      const match = pattern.exec(this.#rest);
      if (!match) continue;
      this.#rest = this.#rest.slice(match[0].length).trimStart();
      return statement(this, match);
    }
    throw new RangeError(this.#rest);
  }

  ends(verdict: RuleVerdict): boolean {
    this.#outcome.verdict = verdict;
    return true;
  }

  masquerades(): boolean {
    this.#outcome.masquerades = true;
    return this.ends({ kind: "accept" });
  }

  /** Accepts packets of the family; for others the rule does not match. */
  isOf(header: string | undefined): boolean {
    return (header === "ip6") === this.packet.source.includes(":") && this.ends({ kind: "accept" });
  }

  translatesPort(port: string): boolean {
    this.packet.destinationPort = Number(port);
    return this.ends({ kind: "accept" });
  }

  /** Whether Envoy listens there, for packets of the family. */
  hasListener(text: string, port: number): boolean {
    const isIPv6 = this.packet.source.includes(":");
    if (isIPv6 !== text.startsWith("tproxy ip6")) return false;
    const listener = this.#evidence.listener("TCP", isIPv6 ? "::" : "0.0.0.0", port);
    if (listener) this.#outcome.listener = listener.name;
    return listener !== undefined;
  }

  setsMark(which: string | undefined, operator: string, bits: number): boolean {
    const { packet } = this;
    const isOr = operator === "or" || operator === "|";
    const before = operator === "to" ? 0xffffffff : undefined;
    const changed = (mark: number) => (isOr ? mark | bits : (before ?? mark) & bits) >>> 0;
    if (which === "ct") packet.ctMark = changed(packet.ctMark);
    else packet.mark = changed(packet.mark);
    return true;
  }

  /** When a map has nothing for the packet, the rule does not match. */
  sets(field: string, value: string | undefined): boolean {
    if (value === undefined) return false;
    const { packet } = this;
    if (field === "saddr") packet.source = value;
    else if (field === "daddr") packet.destination = value;
    else if (field === "sport") packet.sourcePort = Number(value);
    else packet.destinationPort = Number(value);
    return true;
  }

  /** Follows the verdict of a verdict map. */
  leads(verdict: string | undefined): boolean {
    if (verdict === undefined) return false;
    this.#rest = verdict;
    return true;
  }

  isIn(key: string, set: string, negated: boolean): boolean {
    const values = this.#values(key);
    if (!values) return false;
    return (this.lookUp(key, set) !== undefined) !== negated;
  }

  /** Holds for Envoy's connection too, which results from this packet. */
  changes(key: string, set: string, isAdded: boolean): boolean {
    const values = this.#values(key);
    if (values && isAdded) this.packet.added.add(`${set} ${values.join(" . ")}`);
    return values !== undefined;
  }

  /** In sets that packets fill, finds only what this packet added, not what others added. */
  lookUp(key: string, set: string): SetElement | undefined {
    const values = this.#values(key)?.join(" . ");
    if (values === undefined) return undefined;
    const isAdded = this.packet.added.has(`${set} ${values}`);
    const isOfPackets = NOTED_SETS.some(({ name }) => name === set.replace(/_v[46]$/, ""));
    const asked = isOfPackets ? undefined : this.#evidence.element(set, values);
    const element = isAdded ? { key: values } : asked;
    if (element) this.#outcome.elements.push({ set, ...element });
    return element;
  }

  compares(field: string, mask: string | undefined, operator: string, wanted: string): boolean {
    const value = fieldValue(field, this.packet, this.#evidence);
    if (value === undefined) return false;
    const masked = mask === undefined ? value : (Number(value) & Number(mask)) >>> 0;
    if (operator === ">=" || operator === "<") {
      return Number(masked) >= Number(wanted) === (operator === ">=");
    }
    const choices = wanted.startsWith("{") ? wanted.slice(1, -1).split(",") : wanted.split(",");
    return choices.some((choice) => isValue(masked, choice.trim())) !== (operator === "!=");
  }

  /** Returns undefined when the packet lacks one of them. */
  #values(key: string): (string | number)[] | undefined {
    const values = key.split(" . ").map((field) => fieldValue(field, this.packet, this.#evidence));
    return values.every((value) => value !== undefined) ? values : undefined;
  }
}

function isValue(value: string | number, text: string): boolean {
  const wanted = text.replace(/^"(.*)"$/, "$1");
  if (typeof value === "number") {
    const [first, last = first] = wanted.split("-").map(Number);
    return value >= Number(first) && value <= Number(last);
  }
  if (wanted.endsWith("*")) return value.startsWith(wanted.slice(0, -1));
  return wanted.includes("/") ? cidrContains(wanted, value) : value === wanted;
}
