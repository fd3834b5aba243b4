// Descriptors that a process may open → connections that an Envoy with as many can hold.

/**
 * Envoy's own sockets and files (about 80), and a twentieth for connections to backends that it
 * still ends after their client is gone.
 */
const RESERVED_DESCRIPTORS = 200;
const RESERVED_SHARE = 1 / 20;
const DESCRIPTORS_PER_CONNECTION = 2;

/** At least 1. */
export function connectionsFor(descriptors: number): number {
  const reserved = Math.max(RESERVED_DESCRIPTORS, descriptors * RESERVED_SHARE);
  return Math.max(1, Math.floor((descriptors - reserved) / DESCRIPTORS_PER_CONNECTION));
}

/**
 * `limits` is the text of /proc/PID/limits. The hard limit is what counts: Envoy raises its soft
 * one to that when it starts. Infinity when there is none.
 */
export function hardDescriptorLimit(limits: string): number {
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1];
  return hard === "unlimited" ? Number.POSITIVE_INFINITY : Number(hard);
}
