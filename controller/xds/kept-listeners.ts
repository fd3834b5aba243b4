// The capture listeners that an Envoy has, and those that a fresh one would get → those that it
// should have. Pure.
//
// A TCP listener that is changed or removed ends its connections after Envoy's drain time. That
// time is short, since UDP listeners come and go with their Services (envoy/process.ts). So a
// running Envoy keeps what it has until it ends, and gets what it lacks.

import { sameData } from "../model/same-data.ts";
import type { Resource } from "./protos.ts";

export interface KeptListeners {
  listeners: readonly Resource[];
  /** Names of those that differ in a fresh Envoy. */
  outdated: readonly string[];
}

/** `present` is empty for a fresh Envoy. */
export function keptListeners(
  present: readonly Resource[],
  wanted: readonly Resource[],
): KeptListeners {
  const kept = new Map(present.map((listener) => [placeOf(listener), listener]));
  const names = new Set(present.map(({ name }) => name));
  const added: Resource[] = [];
  const outdated: string[] = [];
  for (const listener of wanted) {
    const place = placeOf(listener);
    const there = kept.get(place);
    if (!there) {
      const isTaken = names.has(listener.name);
      added.push(isTaken ? { ...listener, name: `${listener.name}-${place}` } : listener);
    } else if (!sameData({ ...there, name: "" }, { ...listener, name: "" })) {
      outdated.push(String(there.name));
    }
  }
  return { listeners: [...present, ...added], outdated };
}

/** Returns "0.0.0.0:15401": an Envoy can have one listener there. */
function placeOf({ address }: Resource): string {
  const { socket_address } = address as {
    socket_address: { address: string; port_value: number };
  };
  return `${socket_address.address}:${socket_address.port_value}`;
}
