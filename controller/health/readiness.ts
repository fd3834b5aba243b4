// What the controller knows → /readyz: whether this node serves what the cluster wants. kube-proxy
// has no such thing; its /healthz and /livez say yes before anything was programmed. Pure.

import { type Answer, JSON_TYPE } from "../observe/http-endpoint.ts";

export interface ReadinessFacts {
  watches: readonly { kind: string; synced: boolean }[];
  envoysConnected: number;
  /** Whether this controller has programmed everything once. */
  hasProgrammed: boolean;
  /** What others changed in the kernel and is not repaired yet, in words. */
  toRepair: readonly string[];
  /** ProxyHealth's opinion: nothing has waited for too long. */
  isHealthy: boolean;
}

/** 200, or 503 with what is waited for; the first reason is the cause of those after it. */
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
    ...(kinds.length > 0 ? [`a first list of ${kinds.join(", ")}`] : []),
    ...(envoysConnected === 0 ? ["an Envoy that connects to xds.sock"] : []),
    ...(hasProgrammed ? [] : ["a first sync that succeeds"]),
    ...(toRepair.length > 0 ? [`kernel rules that others changed: ${toRepair.join("; ")}`] : []),
    ...(isHealthy ? [] : ["changes that have waited for too long"]),
  ];
}
