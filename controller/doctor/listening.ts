// Does anything listen at a Service's endpoints? Which ones to try, and what the answers mean.
// Pure; cli/doctor-node.ts connects.

import { addressAndPort } from "../model/ip.ts";
import type { ObjectKey } from "../model/types.ts";
import { count, indexed, readSlices, serviceCase, some } from "./case.ts";
import type { FindingCode } from "./codes.ts";
import type { DoctorCluster, Finding } from "./types.ts";

export interface Place {
  address: string;
  port: number;
}

export interface Tried extends Place {
  /** silent: no answer in time. */
  outcome: "connected" | "refused" | "silent";
}

/** For a Service with thousands a few are enough. */
const MOST_PLACES = 16;

/** Returns ready endpoints of TCP ports, each once. */
export function placesToTry(cluster: DoctorCluster, key: ObjectKey): Place[] {
  const of = cluster.services.find(({ service: { namespace, name } }) => {
    return `${namespace}/${name}` === key;
  });
  if (!of) return [];
  const places = new Map<string, Place>();
  for (const { ports, endpoints } of readSlices(serviceCase(of, indexed(cluster)))) {
    for (const { port, protocol } of ports) {
      if (protocol !== "TCP") continue;
      for (const { address, ready } of endpoints) {
        if (ready) places.set(addressAndPort(address, port), { address, port });
      }
    }
  }
  return [...places.values()].slice(0, MOST_PLACES);
}

/**
 * Reports the outcomes of the endpoints tried: one finding per outcome, with the first such
 * endpoint in its command. Empty when none was tried.
 */
export function listeningFindings(service: ObjectKey, tried: readonly Tried[]): Finding[] {
  if (tried.length === 0) return [];
  const placesOf = (outcome: Tried["outcome"]) =>
    tried.filter((each) => each.outcome === outcome).map((e) => addressAndPort(e.address, e.port));
  const connected = placesOf("connected");
  const findings: Finding[] = [];
  const find = (
    level: Finding["level"],
    code: FindingCode,
    text: string,
    { address, port }: Place,
  ) => {
    const command = `nc -zv ${address} ${port}`;
    findings.push({ level, code, service, text: `from this node: ${text}`, command });
  };
  const level = connected.length === 0 ? "error" : "warning";
  for (const outcome of ["refused", "silent"] as const) {
    const places = placesOf(outcome);
    const first = tried.find((each) => each.outcome === outcome);
    if (!first) continue;
    const text =
      outcome === "refused"
        ? `nothing listens on ${some(places)} (refused): another port, or 127.0.0.1 only?`
        : `no answer from ${some(places)}: a network policy, or no route?`;
    find(level, outcome === "refused" ? "not-listening" : "endpoint-silent", text, first);
  }
  const [first] = tried;
  if (connected.length === tried.length && first) {
    const all = count(tried.length, "endpoint");
    find(
      "ok",
      "listening",
      `${all} ${tried.length === 1 ? "accepts" : "accept"} connections`,
      first,
    );
  }
  return findings;
}
