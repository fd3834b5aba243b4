// Descriptors that a process may open → connections that an Envoy with as many can hold.

/**
 * Envoy's own sockets and files (about 80), and a twentieth for connections to backends that it
 * still ends after their client is gone.
 */
const RESERVED_DESCRIPTORS = 200;
const RESERVED_SHARE = 1 / 20;
const DESCRIPTORS_PER_CONNECTION = 2;

/** Nobody has as many; what Envoy's configuration can say. */
const MOST_CONNECTIONS = 2 ** 31 - 1;

/** From 1 to MOST_CONNECTIONS; the descriptors may be Infinity. */
export function connectionsFor(descriptors: number): number {
  const available = Math.min(descriptors, 4 * MOST_CONNECTIONS);
  const reserved = Math.max(RESERVED_DESCRIPTORS, available * RESERVED_SHARE);
  const connections = Math.floor((available - reserved) / DESCRIPTORS_PER_CONNECTION);
  return Math.min(Math.max(1, connections), MOST_CONNECTIONS);
}

/**
 * `limits` is the text of /proc/PID/limits. The hard limit is what counts: Envoy raises its soft
 * one to that when it starts. Infinity when there is none.
 */
export function hardDescriptorLimit(limits: string): number {
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1];
  return hard === "unlimited" ? Number.POSITIVE_INFINITY : Number(hard);
}
