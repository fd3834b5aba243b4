// A first packet and the kernel's table → the hooks that it passes on this node, and how that ends;
// and the same for Envoy's own connection to a backend. Only the kernel's part of the way.

import { IN_LINK } from "../capture/policy-link.ts";
import type { Protocol } from "../model/types.ts";
import type { ListenerKind } from "../node/hand-over.ts";
import type { Evidence, ListenerAnswer } from "./evidence.ts";
import type { KernelTable } from "./kernel-table.ts";
import type { Packet } from "./packet.ts";
import { type Hook, type Trace, type TraceStep, traceHook } from "./trace.ts";

/**
 *    envoy        a listener of Envoy's gets it
 *    refuse       the client gets an error at once
 *    drop         the client gets no answer
 *    untouched    Portico leaves it alone: it goes where it would go without Portico
 *    unreachable  the node has no route there, so its own processes cannot even send it
 */
type KernelEnd = "envoy" | "refuse" | "drop" | "untouched" | "unreachable";

export interface KernelWay {
  steps: TraceStep[];
  end: KernelEnd;
  /** Which of Envoy's lists and which source address; only where the rules lead to Envoy. */
  handing: Handing | undefined;
  listener: ListenerAnswer | undefined;
  unknownRules: string[];
  /** What the rules added to the kernel's sets on the way. */
  added: Set<string>;
}

/** The kind of Envoy's listener; "host": TCP, from the node's address. */
type Handing = ListenerKind | "host";

export interface Dialled {
  client: string;
  address: string;
  port: number;
  protocol: Protocol;
}

/** A client with one of the node's addresses counts as one of its processes. */
export function kernelWay(dialled: Dialled, table: KernelTable, evidence: Evidence): KernelWay {
  const packet = firstPacket(dialled);
  const walk = new Walk(packet, table, evidence);
  if (evidence.route(dialled.client).type === "local") {
    const route = evidence.route(dialled.address);
    if (route.type === "unreachable") return walk.ends("unreachable");
    packet.oif = route.device;
    if (!walk.through("output")) return walk.ends();
    if (!walk.last?.isRerouted && packet.oif !== "lo") return walk.ends("untouched");
    packet.iif = "lo";
  } else packet.iif = evidence.route(dialled.client).device || "unknown";
  packet.oif = "";
  if (!walk.through("prerouting")) return walk.ends();
  const listener = walk.listener(dialled);
  const isOfNode = evidence.route(dialled.address).type === "local";
  if ((listener || isOfNode) && !walk.through("input")) return walk.ends();
  return { ...walk.ends(listener ? "envoy" : "untouched"), listener };
}

function firstPacket({ client, address, port, protocol }: Dialled): Packet {
  return {
    protocol: protocol.toLowerCase() as Packet["protocol"],
    source: client,
    destination: address,
    sourcePort: 0,
    destinationPort: port,
    iif: "",
    oif: "",
    mark: 0,
    ctMark: 0,
    isFromTransparentSocket: false,
    added: new Set(),
    isUntracked: false,
  };
}

/** A packet on its way, and what it has met. */
class Walk {
  readonly #packet: Packet;
  readonly #table: KernelTable;
  readonly #evidence: Evidence;
  readonly #traces: Trace[] = [];

  constructor(packet: Packet, table: KernelTable, evidence: Evidence) {
    this.#packet = packet;
    this.#table = table;
    this.#evidence = evidence;
  }

  get last(): Trace | undefined {
    return this.#traces.at(-1);
  }

  /** Runs a hook; reports whether the packet continues after it. */
  through(hook: Hook): boolean {
    const trace = traceHook(hook, this.#packet, this.#table, this.#evidence);
    this.#traces.push(trace);
    return trace.end === "accept";
  }

  /** Returns the listener that gets it after prerouting, by TPROXY or by its rewritten address. */
  listener({ address, protocol }: Dialled): ListenerAnswer | undefined {
    const { destination, destinationPort } = this.#packet;
    if (protocol === "UDP" && destination !== address) {
      return this.#evidence.listener("UDP", destination, destinationPort);
    }
    const name = this.last?.listener;
    return name === undefined ? undefined : { name };
  }

  /** `end` when no rule ended it. */
  ends(end?: KernelEnd): KernelWay {
    const steps = this.#traces.flatMap((trace) => trace.steps);
    const chains = steps.map(({ chain }) => /^to_(keep|masquerade|local|host)$/.exec(chain)?.[1]);
    const byRules = this.last?.end === "reject" ? "refuse" : "drop";
    return {
      steps,
      end: end ?? byRules,
      handing: chains.findLast((kind) => kind !== undefined) as Handing | undefined,
      listener: undefined,
      added: this.#packet.added,
      unknownRules: this.#traces.flatMap(({ unknownRules }) => unknownRules),
    };
  }
}

interface BackendWay {
  /** The address that the backend sees. */
  source: string;
  /** The kernel replaces the client's address with the node's. */
  isTranslated: boolean;
  /** Its first packet passes the forward hook (capture/policy-hook.ts). */
  isForwarded: boolean;
  /** The source that rules of others see in that hook, or in the output hook. */
  seen: string;
  end: "reached" | "refuse" | "drop";
  steps: TraceStep[];
}

/** What Envoy's connection to a backend takes over from the client's connection. */
export interface Upstream {
  /** Undefined where Envoy uses the node's address. */
  source: string | undefined;
  /** The mark of its socket. */
  mark: number;
  /** As in KernelWay. */
  added: Set<string>;
}

/** Returns the way of Envoy's connection to a backend. */
export function backendWay(
  dialled: Dialled,
  { source, mark, added }: Upstream,
  table: KernelTable,
  evidence: Evidence,
): BackendWay {
  const route = evidence.route(dialled.address);
  const packet: Packet = {
    ...firstPacket({ ...dialled, client: source ?? route.source }),
    oif: route.device,
    mark,
    isFromTransparentSocket: source !== undefined,
    added,
  };
  const output = traceHook("output", packet, table, evidence);
  if (output.end !== "accept") {
    const end = output.end === "reject" ? "refuse" : "drop";
    const { source } = packet;
    return {
      source,
      seen: source,
      isTranslated: false,
      isForwarded: false,
      end,
      steps: output.steps,
    };
  }
  const isForwarded = packet.isUntracked;
  const forwarding = isForwarded ? forwarded(packet, table, evidence) : undefined;
  packet.oif = route.device;
  const seen = packet.source;
  const { masquerades, end, steps } = traceHook("postrouting", packet, table, evidence);
  return {
    source: masquerades ? route.source : packet.source,
    isTranslated: masquerades,
    isForwarded,
    seen,
    end: end === "accept" ? "reached" : end === "reject" ? "refuse" : "drop",
    steps: [...output.steps, ...(forwarding?.steps ?? []), ...steps],
  };
}

/** The packet comes in again by Portico's own link, and is tracked from there. */
function forwarded(packet: Packet, table: KernelTable, evidence: Evidence): Trace {
  packet.iif = IN_LINK;
  packet.oif = "";
  packet.isUntracked = false;
  packet.isFromTransparentSocket = false;
  return traceHook("prerouting", packet, table, evidence);
}
