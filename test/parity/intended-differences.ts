// Where Portico is meant to differ from kube-proxy. Nothing else may. README shows this list; each
// entry has to say what a user sees and why it is so.

import type { Observation } from "./observe.ts";
import type { KubernetesObject, Probe } from "./state.ts";

/** One probe, as both worlds answered it. */
export interface Compared {
  probe: Probe;
  objects: readonly KubernetesObject[];
  kubeProxy: Observation;
  portico: Observation;
}

export interface IntendedDifference {
  /** Short and stable; the report counts by it. */
  id: string;
  /** What a user sees, and why. One or two sentences. */
  reason: string;
  /** Whether it explains this difference wholly. */
  explains: (compared: Compared) => boolean;
}

export const INTENDED_DIFFERENCES: readonly IntendedDifference[] = [
  {
    id: "refusing-backend",
    reason:
      "A backend that refuses, although its endpoint is ready: through kube-proxy the client's " +
      "connect() is refused; through Portico it succeeds and the connection ends at once, " +
      "because Envoy accepts before it dials the backend.",
    explains: ({ kubeProxy, portico }) =>
      kubeProxy.includes("refused") &&
      isSame(distinct(kubeProxy.map(refusedLate)), distinct(portico.map(refusedLate))) &&
      portico.some((text) => text !== "refused"),
  },
  {
    id: "host-network-source",
    reason:
      "A Pod in the host network of the node that was dialled, through a front door that " +
      "masquerades: kube-proxy's masquerading does not reach packets that stay on the node, so " +
      "the Pod sees the client; Portico's connection to it comes from the node.",
    explains: ({ kubeProxy, portico }) => {
      const expected = kubeProxy.map((text) => {
        return portico.includes(text) ? text : seenByItsNode(text);
      });
      return isSame(distinct(expected), portico);
    },
  },
];

/** "node-1:8080 sees outside" → "node-1:8080 sees node-1". */
function seenByItsNode(text: string): string {
  return text.replace(/^(node-\d)(:\d+ sees ).*$/, "$1$2$1");
}

/** What a refusal looks like once the client is connected: an end, or a reset if it wrote. */
function refusedLate(text: string): string {
  return ["refused", "eof", "reset"].includes(text) ? "refused late" : text;
}

function distinct(texts: Observation): Observation {
  return [...new Set(texts)];
}

export function isSame(one: Observation, other: Observation): boolean {
  const [left, right] = [[...one].sort(), [...other].sort()];
  return left.length === right.length && left.every((text, index) => text === right[index]);
}
