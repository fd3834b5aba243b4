// An xDS resource as Portico builds it (controller/xds/protos.ts) → the same as Envoy reads it in
// a JSON file, where durations are text ("5s") and wrapped scalars stand bare.

import type { Resource } from "../../../controller/xds/protos.ts";

/** A copy without the type, which the place in the file says. Knows the forms in use, no others. */
export function jsonOfResource({ "@type": _, ...fields }: Resource): Record<string, unknown> {
  return jsonOf(fields) as Record<string, unknown>;
}

function jsonOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(jsonOf);
  if (typeof value !== "object" || value === null) return value;
  if (isDuration(value)) return `${value.seconds + (value.nanos ?? 0) / 1e9}s`;
  if (Object.keys(value).join() === "value") return (value as { value: unknown }).value;
  return Object.fromEntries(Object.entries(value).map(([field, inner]) => [field, jsonOf(inner)]));
}

function isDuration(value: object): value is { seconds: number; nanos?: number } {
  const fields = Object.keys(value);
  return "seconds" in value && fields.every((field) => field === "seconds" || field === "nanos");
}
