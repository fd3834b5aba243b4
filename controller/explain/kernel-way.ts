// A first packet and the kernel's table → through which hooks it goes on this node and how that
// ends; and the same for Envoy's own connection to a backend. The kernel's part of the way only.

import type { Protocol } from "../model/types.ts";
import type { UdpListenerKind } from "../node/types.ts";
import type { Evidence, ListenerAnswer } from "./evidence.ts";
import type { KernelTable } from "./kernel-table.ts";
import type { Packet } from "./packet.ts";
import { type Hook, type Trace, type TraceStep, traceHook } from "./trace.ts";

/**
 *    envoy        a listener of Envoy's gets it
 *    refuse       the client is told at once
 *    drop         the client hears nothing
 *    untouched    Portico leaves it alone: it goes where it would go without
 *    unreachable  the node has no route there, so its own processes cannot even send it
 */
export type KernelEnd = "envoy" | "refuse" | "drop" | "untouched" | "unreachable";

export interface KernelWay {
  steps: TraceStep[];
  end: KernelEnd;
  /** Which of Envoy's lists and whose address; only where the rules lead to Envoy. */
  handing: UdpListenerKind | undefined;
  listener: ListenerAnswer | undefined;
  unknownRules: string[];
}

export interface Dialled {
  client: string;
  address: string;
  port: number;
  protocol: Protocol;
}

/** Whoever has one of the node's addresses counts as one of its processes. */
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
  };
}

/** A packet on its way, and what it met. */
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

  /** Whether it goes on behind the hook. */
  through(hook: Hook): boolean {
    const trace = traceHook(hook, this.#packet, this.#table, this.#evidence);
    this.#traces.push(trace);
    return trace.end === "accept";
  }

  /** Who gets it, once prerouting is over: by TPROXY, or rewritten to where a UDP listener is. */
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
    const chains = steps.map(({ chain }) => /^to_(keep|masquerade|local)$/.exec(chain)?.[1]);
    const byRules = this.last?.end === "reject" ? "refuse" : "drop";
    return {
      steps,
      end: end ?? byRules,
      handing: chains.findLast((kind) => kind !== undefined) as UdpListenerKind | undefined,
      listener: undefined,
      unknownRules: this.#traces.flatMap(({ unknownRules }) => unknownRules),
    };
  }
}

export interface BackendWay {
  /** The address that the backend sees. */
  source: string;
  /** The kernel puts the node's in the place of the client's. */
  isTranslated: boolean;
  end: "reached" | "refuse" | "drop";
  steps: TraceStep[];
}

/**
 * Envoy's connection to a backend. `source` is undefined where Envoy takes the node's address;
 * `mark` is what its socket carries.
 */
export function backendWay(
  dialled: Dialled,
  source: string | undefined,
  mark: number,
  table: KernelTable,
  evidence: Evidence,
): BackendWay {
  const route = evidence.route(dialled.address);
  const packet: Packet = {
    ...firstPacket({ ...dialled, client: source ?? route.source }),
    oif: route.device,
    mark,
    isFromTransparentSocket: source !== undefined,
  };
  const output = traceHook("output", packet, table, evidence);
  if (output.end !== "accept") {
    const end = output.end === "reject" ? "refuse" : "drop";
    return { source: packet.source, isTranslated: false, end, steps: output.steps };
  }
  const { masquerades, end, steps } = traceHook("postrouting", packet, table, evidence);
  return {
    source: masquerades ? route.source : packet.source,
    isTranslated: masquerades,
    end: end === "accept" ? "reached" : end === "reject" ? "refuse" : "drop",
    steps: [...output.steps, ...steps],
  };
}
