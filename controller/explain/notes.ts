// What else is worth knowing about a connection, in sentences.

import { familyOf } from "../model/ip.ts";
import { isLimited } from "../node/frontend-settings.ts";
import { limitTexts } from "../wire/limit-counts.ts";
import type { Asked } from "./asked.ts";
import { type KnownFrontend, serviceOf } from "./endpoints.ts";
import type { Evidence } from "./evidence.ts";
import type { Client, Outcome } from "./explanation.ts";
import type { Connecting, KnownCluster } from "./known-cluster.ts";

interface Noted {
  asked: Asked;
  client: Client;
  outcome: Outcome;
  knownFrontend: KnownFrontend | undefined;
  known: KnownCluster;
  evidence: Evidence;
}

function failing({ connectAttempts, connectTimeoutMs }: Connecting): string {
  if (connectAttempts === 1) return "if the backend refuses, the stream ends";
  const seconds = connectTimeoutMs / 1_000;
  const attempts = `${connectAttempts} attempts of at most ${seconds} s`;
  return `Envoy makes ${attempts}, each to another one of the Service where it has one`;
}

/** Returns what the limits of the Service allow, and what they refused. */
function limitNotes(knownFrontend: KnownFrontend | undefined, evidence: Evidence): string[] {
  if (!knownFrontend || !isLimited(knownFrontend.frontend.settings)) return [];
  const { frontend } = knownFrontend;
  const counts = evidence.limits(frontend);
  if (!counts) return [];
  const texts = limitTexts(frontend.settings, counts).join("; ");
  return [`limits of this port on this node: ${texts}; a client over a limit is reset`];
}

/** Returns the notes; problems of the Service itself come last. Empty when there are none. */
export function notesFrom({ asked, client, outcome, ...rest }: Noted): string[] {
  const { knownFrontend, known, evidence } = rest;
  const notes: string[] = [];
  if (client.kind === "host" && knownFrontend && evidence.hasKubeProxy(familyOf(asked.address))) {
    notes.push(
      "kube-proxy's rules are on this node too: while they are there, they translate what " +
        "the node's own processes dial before Portico's rules see it",
    );
  }
  if (outcome === "served" && asked.protocol === "TCP") {
    notes.push(`connect() succeeds before Envoy reaches a backend; ${failing(known.connecting)}`);
  }
  if (outcome === "served" && asked.protocol === "UDP") {
    notes.push("a backend that refuses is not reported: the client waits");
  }
  if (client.kind === "remote-pod" || client.kind === "other-node") {
    notes.push(
      "this node decides only about packets that pass through it; for the client's own node, " +
        "run `portico explain` there",
    );
  }
  notes.push(...limitNotes(knownFrontend, evidence));
  const object = knownFrontend && `Service ${serviceOf(knownFrontend.frontend)}`;
  const problems = known.problems.filter((problem) => problem.object === object);
  return [...notes, ...problems.map(({ message }) => `${object}: ${message}`)];
}
