// The verdict on a frontend → the kind of Envoy's listener for the connections of each client. Both
// sides use it: the kernel's rules (capture/verdict-rules.ts) lead there, and Envoy has the UDP
// listeners (xds/udp-target.ts).

import type { Verdict } from "./types.ts";

/** What a listener does: its source address, and its list, as in Verdict. */
export const LISTENER_KINDS = ["keep", "masquerade", "local"] as const;
export type ListenerKind = (typeof LISTENER_KINDS)[number];

export type Destination = ListenerKind | "refuse" | "drop";

export interface HandOver {
  /** Pods of this node; none where they cannot be recognised. */
  pods: Destination;
  /** The node's own processes. */
  host: Destination;
  others: Destination;
}

type Setting = "masqueradeAll" | "detected" | "undetected";

const HAND_OVERS: Record<Verdict, Record<Setting, HandOver>> = {
  keep: {
    masqueradeAll: toAll("masquerade"),
    // As in kube-proxy for cluster IPs: replies to others might not come back through the node.
    detected: { pods: "keep", host: "masquerade", others: "masquerade" },
    undetected: toAll("keep"),
  },
  masquerade: always(toAll("masquerade")),
  local: always({ pods: "keep", host: "masquerade", others: "local" }),
  "short-circuit": always({ pods: "keep", host: "masquerade", others: "drop" }),
  refuse: always(toAll("refuse")),
  drop: always(toAll("drop")),
};

export const VERDICTS = Object.keys(HAND_OVERS) as readonly Verdict[];

interface HandOverSettings {
  masqueradeAll: boolean;
  /** Whether Pods of this node can be recognised, in the frontend's family. */
  detectsPods: boolean;
}

/**
 * Returns where connections of each kind of client go under a verdict. `masqueradeAll` wins over
 * the detection of Pods.
 */
export function handOverOf(
  verdict: Verdict,
  { masqueradeAll, detectsPods }: HandOverSettings,
): HandOver {
  const unlessAll = detectsPods ? "detected" : "undetected";
  return HAND_OVERS[verdict][masqueradeAll ? "masqueradeAll" : unlessAll];
}

/** Returns the kinds of listeners that connections to a frontend may reach. */
export function listenerKindsOf(verdict: Verdict, settings: HandOverSettings): ListenerKind[] {
  const { pods, host, others } = handOverOf(verdict, settings);
  const reached = settings.detectsPods ? [pods, host, others] : [host, others];
  return LISTENER_KINDS.filter((kind) => reached.includes(kind));
}

function always(handOver: HandOver): Record<Setting, HandOver> {
  return { masqueradeAll: handOver, detected: handOver, undetected: handOver };
}

function toAll(to: Destination): HandOver {
  return { pods: to, host: to, others: to };
}
