// What else is worth knowing about a connection, in sentences.

import { familyOf } from "../model/ip.ts";
import { type KnownDoor, serviceOf } from "./endpoints.ts";
import type { Evidence } from "./evidence.ts";
import type { Client, Outcome } from "./explanation.ts";
import type { KnownCluster } from "./known-cluster.ts";
import type { Asked } from "./question.ts";

export interface Noted {
  asked: Asked;
  client: Client;
  outcome: Outcome;
  knownDoor: KnownDoor | undefined;
  known: KnownCluster;
  evidence: Evidence;
}

export function notesFrom({ asked, client, outcome, ...rest }: Noted): string[] {
  const { knownDoor, known, evidence } = rest;
  const notes: string[] = [];
  if (client.kind === "host" && knownDoor && evidence.hasKubeProxy(familyOf(asked.address))) {
    notes.push(
      "kube-proxy's rules are on this node too: what the node's own processes dial, they " +
        "translate before Portico's rules see it, as long as they are there",
    );
  }
  if (outcome === "served" && asked.protocol === "TCP") {
    notes.push(
      "connect() succeeds before Envoy reaches the backend; if that refuses, the stream ends",
    );
  }
  if (outcome === "served" && asked.protocol === "UDP") {
    notes.push("a backend that refuses is not reported: the client waits");
  }
  if (client.kind === "remote-pod" || client.kind === "other-node") {
    notes.push(
      "this node decides only about packets that come by here; what the client's own node does " +
        "with them, `portico explain` says there",
    );
  }
  const object = knownDoor && `Service ${serviceOf(knownDoor.frontend)}`;
  const problems = known.problems.filter((problem) => problem.object === object);
  return [...notes, ...problems.map(({ message }) => `${object}: ${message}`)];
}
