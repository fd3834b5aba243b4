// What the controller knows → /readyz: whether this node serves what the cluster wants. kube-proxy
// lacks it; its /healthz and /livez are healthy before anything was programmed. Pure.

import { type Answer, JSON_TYPE } from "../http/answer.ts";

interface ReadinessFacts {
  watches: readonly { kind: string; synced: boolean }[];
  envoysConnected: number;
  /** Whether this controller has programmed everything once. */
  hasProgrammed: boolean;
  /** What others changed in the kernel and no sync has repaired yet, in words. */
  toRepair: readonly string[];
  /** From ProxyHealth: nothing has waited for too long. */
  isHealthy: boolean;
}

/** Returns 200, or 503 with what it waits for; the first reason causes those after it. */
export function readinessAnswer(facts: ReadinessFacts): Answer {
  const missing = missingFrom(facts);
  const ready = missing.length === 0;
  const body = JSON.stringify({ ready, missing });
  return { status: ready ? 200 : 503, type: JSON_TYPE, body };
}

function missingFrom(facts: ReadinessFacts): string[] {
  const { watches, envoysConnected, hasProgrammed, toRepair, isHealthy } = facts;
  const kinds = watches.filter(({ synced }) => !synced).map(({ kind }) => kind);
  return [
    ...(kinds.length > 0 ? [`the first list of ${kinds.join(", ")}`] : []),
    ...(envoysConnected === 0 ? ["an Envoy to connect to xds.sock"] : []),
    ...(hasProgrammed ? [] : ["the first sync to succeed"]),
    ...(toRepair.length > 0
      ? [`repair of kernel rules that other processes changed: ${toRepair.join("; ")}`]
      : []),
    ...(isHealthy ? [] : ["changes that have been pending for too long"]),
  ];
}
