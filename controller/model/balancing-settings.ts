// The annotations of a Service that say how its backends are picked. Those that contradict each
// other, or session affinity, count as absent together.

import { parseAddress, parseCIDR } from "./ip.ts";
import { keptList, type ObjectReader } from "./json.ts";
import {
  hasAnnotation,
  oneOfAnnotation,
  refuseAnnotation,
  SETTING_NAMES,
  textOfAnnotation,
  wholeNumber,
} from "./setting-annotations.ts";
import type { Balancing, EndpointPattern, ServiceSettings } from "./types.ts";

const BALANCINGS: readonly Balancing[] = [
  "random",
  "least-connections",
  "round-robin",
  "client-hash",
  "weighted",
  "failover",
];

const MAX_WEIGHT = 255;
/** Each is compared with each endpoint. */
const MAX_PATTERNS = 100;
/** The name of a Pod, or the beginning of one and "*". */
const POD_PATTERN = /^[a-z0-9][a-z0-9.-]{0,252}\*?$/;
const PATTERNS = `an address, a CIDR, the name of a Pod, or its beginning and "*"`;

type BalancingSettings = Pick<ServiceSettings, "balancing" | "weights" | "preferred">;

const DEFAULT: BalancingSettings = Object.freeze({
  balancing: undefined,
  weights: keptList([]),
  preferred: keptList([]),
});

/** Weights alone mean balancing "weighted", preferred backends alone "failover". */
export function balancingSettings(reader: ObjectReader): BalancingSettings {
  const wanted = oneOfAnnotation(reader, SETTING_NAMES.balancing, BALANCINGS);
  const weights = weightsOf(reader);
  const preferred = preferredOf(reader);
  if (wanted === undefined && hasAnnotation(reader, SETTING_NAMES.balancing)) return DEFAULT;
  const implied = weights.length > 0 ? "weighted" : "failover";
  const isImplied = weights.length + preferred.length > 0;
  const balancing = wanted ?? (isImplied ? implied : undefined);
  const settings = { balancing, weights, preferred };
  const why = contradiction(settings, reader.spec.sessionAffinity === "ClientIP");
  if (why === undefined) return settings;
  refuseAnnotation(reader, SETTING_NAMES.balancing, `${why}; the node's default applies`);
  return DEFAULT;
}

function contradiction(
  { balancing, weights, preferred }: BalancingSettings,
  hasAffinity: boolean,
): string | undefined {
  if (balancing === "client-hash" && hasAffinity) {
    return "spec.sessionAffinity is ClientIP, which decides before it; remove one of them";
  }
  if (balancing === "weighted" && weights.length === 0) {
    return `it needs ${SETTING_NAMES.weights}, such as "web-canary-*=1, 10.1.0.0/16=20"`;
  }
  if (weights.length > 0 && balancing !== "weighted") {
    return `${SETTING_NAMES.weights} is for balancing weighted only; remove one of them`;
  }
  if (preferred.length > 0 && balancing !== "failover") {
    return `${SETTING_NAMES.preferred} is for balancing failover only; remove one of them`;
  }
  return undefined;
}

/** Returns canonical text; undefined when it names nothing. */
function patternFrom(text: string): EndpointPattern | undefined {
  const address = parseAddress(text);
  if (address !== undefined) return `${address}/${address.includes(":") ? 128 : 32}`;
  if (text.includes("/")) return parseCIDR(text);
  return POD_PATTERN.test(text) ? text : undefined;
}

/** Returns the parts between commas; none when it is absent, or has too many. */
function partsOf(reader: ObjectReader, name: string): string[] {
  if (!hasAnnotation(reader, name)) return [];
  const parts = textOfAnnotation(reader, name).split(",");
  if (parts.length <= MAX_PATTERNS) return parts.map((part) => part.trim());
  refuseAnnotation(reader, name, `${parts.length} entries, at most ${MAX_PATTERNS} are possible`);
  return [];
}

function weightsOf(reader: ObjectReader): ServiceSettings["weights"] {
  const weights: { pattern: EndpointPattern; weight: number }[] = [];
  for (const part of partsOf(reader, SETTING_NAMES.weights)) {
    const at = part.lastIndexOf("=");
    const pattern = patternFrom(part.slice(0, Math.max(at, 0)).trim());
    const weight = wholeNumber(part.slice(at + 1).trim(), MAX_WEIGHT);
    if (pattern !== undefined && weight !== undefined) weights.push({ pattern, weight });
    else {
      const must = `an entry is ${PATTERNS}, then "=" and a weight from 1 to ${MAX_WEIGHT}`;
      refuseAnnotation(reader, SETTING_NAMES.weights, `${must}; this one does not count`, part);
    }
  }
  return keptList(weights);
}

function preferredOf(reader: ObjectReader): readonly EndpointPattern[] {
  const patterns: EndpointPattern[] = [];
  for (const part of partsOf(reader, SETTING_NAMES.preferred)) {
    const pattern = patternFrom(part);
    if (pattern !== undefined) patterns.push(pattern);
    else {
      const must = `an entry is ${PATTERNS}; this one does not count`;
      refuseAnnotation(reader, SETTING_NAMES.preferred, must, part);
    }
  }
  return keptList(patterns);
}
