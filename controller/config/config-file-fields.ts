// How to read and write the values of a KubeProxyConfiguration, kind by kind. Where Go cannot
// distinguish its zero value from an absent one, that value counts as not set here too.

import { isDeepStrictEqual } from "node:util";
import type { BindAddress } from "../http/endpoint.ts";
import { addressAndPort, parseAddress, parseCIDR } from "../model/ip.ts";
import { recordOf } from "../model/json.ts";
import { goDuration, parseGoDuration } from "./config-file-duration.ts";

export const NOT_ALLOWED = Symbol("not allowed");
type Parsed<T> = T | typeof NOT_ALLOWED;

/** One setting. */
export interface Field<T> {
  /** Parses a value that is not null; null counts as absent, unless `refusesNull`. */
  parse(json: unknown): Parsed<T>;
  /** Go reads null with the same code as a text, and fails. */
  refusesNull?: true;
  /** For operators, after "give": "a whole number from 0 to 31". */
  allowed: string;
  /** The value when it is not set, as in kube-proxy. */
  fallback: T;
  /** Writes it as kube-proxy --write-config-to does. */
  write(value: T): unknown;
  /** False: known, but not used by Portico. */
  isUsed: boolean;
}

/** Marks a field as known, but not used by Portico. */
export function unused<T>(field: Field<T>): Field<T> {
  return { ...field, isUsed: false };
}

/** Reports whether it is really set: neither Go's zero value nor its fallback. */
export function isSet<T>(field: Field<T>, value: T): boolean {
  const json = field.write(value);
  const isEmpty = typeof json === "object" && Object.keys(json ?? {}).length === 0;
  if (isEmpty || json === "" || json === 0 || json === false || json === "0s") return false;
  return !isDeepStrictEqual(value, field.fallback);
}

function field<T>(
  fallback: T,
  allowed: string,
  parse: (json: unknown) => Parsed<T>,
  write: (value: T) => unknown = (value) => value,
): Field<T> {
  return { parse, allowed, fallback, write, isUsed: true };
}

/** Returns a field for a text; an empty one counts as not set. */
export function text(fallback = ""): Field<string> {
  return field(fallback, "a text", (json) =>
    typeof json === "string" ? json || fallback : NOT_ALLOWED,
  );
}

/** Returns a field for one of these values; the first is the fallback, and may be empty. */
export function choice<T extends string>(...values: readonly [T, ...T[]]): Field<T> {
  const named = values.filter((value) => value !== "");
  return field(values[0], `one of ${named.join(", ")}`, (json) =>
    json === "" ? values[0] : (values.find((value) => value === json) ?? NOT_ALLOWED),
  );
}

/** Returns a field for true or false. */
export function boolean(fallback = false): Field<boolean> {
  return field(fallback, "true or false", (json) =>
    typeof json === "boolean" ? json : NOT_ALLOWED,
  );
}

interface Bounds {
  least: number;
  most: number;
}

/** `zero`: what 0 means; 0 itself where null means not set. */
function wholeNumber<F>(fallback: F, zero: number | F, { least, most }: Bounds): Field<number | F> {
  const parse = (json: unknown) => {
    if (json === 0) return zero;
    return isWholeNumber(json, { least, most }) ? json : NOT_ALLOWED;
  };
  const write = (value: number | F) => value ?? null;
  return field(fallback, `a whole number from ${least} to ${most}`, parse, write);
}

function isWholeNumber(json: unknown, { least, most }: Bounds): json is number {
  return typeof json === "number" && Number.isInteger(json) && json >= least && json <= most;
}

/** Returns a field for a whole number within bounds, both included; 0 counts as not set. */
export function integer(fallback: number, bounds: Bounds): Field<number> {
  return wholeNumber(fallback, fallback, bounds);
}

/**
 * Returns a field for a whole number within bounds, both included, where kube-proxy has a pointer:
 * null counts as not set, and 0 is accepted whatever the bounds.
 */
export function nullableInteger<F extends number | undefined>(
  fallback: F,
  bounds: Bounds,
): Field<number | F> {
  return wholeNumber(fallback, 0, bounds);
}

/** Returns a field for any number; 0 counts as not set. */
export function decimal(fallback: number): Field<number> {
  return field(fallback, "a number", (json) =>
    typeof json === "number" ? json || fallback : NOT_ALLOWED,
  );
}

const DURATION = "a duration such as 250ms, 30s or 1h30m";

/** Milliseconds, perhaps negative: other settings decide whether that is valid. */
export function duration<F extends number | undefined>(fallback: F): Field<number | F> {
  return { ...period(fallback, fallback), refusesNull: true };
}

/** The same, where kube-proxy has a pointer: null means not set, and 0 is 0. */
export function nullableDuration(fallback: number): Field<number> {
  return period(fallback, 0);
}

function period<F extends number | undefined>(fallback: F, zero: number | F): Field<number | F> {
  const parse = (json: unknown) => {
    const milliseconds = typeof json === "string" ? parseGoDuration(json) : undefined;
    if (milliseconds === undefined) return NOT_ALLOWED;
    return milliseconds === 0 ? zero : milliseconds;
  };
  const write = (value: number | F) => {
    return value !== undefined && value < 0 ? `-${goDuration(-value)}` : goDuration(value ?? 0);
  };
  return field<number | F>(fallback, DURATION, parse, write);
}

/** Canonical. */
export function address(fallback: string): Field<string> {
  return field(fallback, "an IP address", (json) => {
    if (json === "") return fallback;
    return (typeof json === "string" ? parseAddress(json) : undefined) ?? NOT_ALLOWED;
  });
}

/** The value is undefined when not set, since its fallback depends on another setting. */
export function bindAddress(defaultPort: number): Field<BindAddress | undefined> {
  return field<BindAddress | undefined>(
    undefined,
    `an IP address and a port such as 0.0.0.0:${defaultPort} or [::]:${defaultPort}`,
    (json) => {
      if (json === "") return undefined;
      return parseBindAddress(String(json), defaultPort) ?? NOT_ALLOWED;
    },
    (value) => (value ? addressAndPort(value.address, value.port) : ""),
  );
}

/** Reads "10.0.0.1:80", "[::]:80", or without a port. Returns undefined for anything else. */
export function parseBindAddress(text: string, defaultPort: number): BindAddress | undefined {
  const alone = parseAddress(text);
  if (alone !== undefined) return { address: alone, port: defaultPort };
  const [, bracketed, plain, portText] = /^(?:\[(.*)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
  const parsed = parseAddress(bracketed ?? plain ?? "");
  const port = Number(portText);
  const isPort = port >= 1 && port <= 65_535;
  return parsed !== undefined && isPort ? { address: parsed, port } : undefined;
}

export const CLUSTER_CIDR = "a CIDR, or one of each family such as 10.244.0.0/16,fd00:10:244::/56";

/**
 * Returns canonical CIDRs from "10.1.0.0/16" or "10.1.0.0/16,fd00::/48": one, or one of each
 * family; none from an empty text. Undefined for anything else.
 */
export function clusterCIDRsFrom(text: string): string[] | undefined {
  const parts = text === "" ? [] : text.split(",");
  const cidrs = parts.map(parseCIDR).filter((cidr) => cidr !== undefined);
  const families = new Set(cidrs.map((cidr) => cidr.includes(":")));
  return cidrs.length === parts.length && families.size === cidrs.length ? cidrs : undefined;
}

const NODE_PORT_KEYWORDS: readonly unknown[] = ["primary", "localhost", "all"];

/** Keywords and canonical CIDRs, as in node/node-port-addresses.ts. Empty when not set. */
export function nodePortAddresses(): Field<string[]> {
  const allowed = "a list of CIDRs and of the words primary, localhost, all, each word once";
  const isKeyword = (value: unknown) => NODE_PORT_KEYWORDS.includes(value);
  const parse = (json: unknown) => {
    if (!Array.isArray(json)) return NOT_ALLOWED;
    const keywords = json.filter(isKeyword);
    const texts = json.map((each) => (isKeyword(each) ? String(each) : parseCIDR(String(each))));
    const known = texts.filter((each) => each !== undefined);
    const isRight = known.length === json.length && new Set(keywords).size === keywords.length;
    return isRight ? known : NOT_ALLOWED;
  };
  return field<string[]>([], allowed, parse, nullIfEmpty);
}

/** Returns a field for a list of texts; null in it becomes an empty text. */
export function texts(): Field<string[]> {
  const parse = (json: unknown) => {
    const isRight = Array.isArray(json) && json.every((each) => isTextOrNull(each));
    return isRight ? json.map((each) => each ?? "") : NOT_ALLOWED;
  };
  return field<string[]>([], "a list of texts", parse, nullIfEmpty);
}

function isTextOrNull(json: unknown): boolean {
  return json === null || typeof json === "string";
}

/** Returns a field of logging: files and their verbosity. */
export function vmodule(): Field<object[]> {
  const parse = (json: unknown) => {
    const isRight = Array.isArray(json) && json.every(isVmoduleItem);
    return isRight ? (json as object[]) : NOT_ALLOWED;
  };
  const allowed = "a list of {filePattern, verbosity}; a pattern has neither = nor comma";
  return field<object[]>([], allowed, parse, nullIfEmpty);
}

function isVmoduleItem(json: unknown): boolean {
  const { filePattern = "", verbosity = 0 } = recordOf(json);
  const isPattern = typeof filePattern === "string" && /^[^=,]+$/.test(filePattern);
  return isPattern && isWholeNumber(verbosity, { least: 0, most: 2 ** 31 - 1 });
}

/** Writes an empty list as Go does. */
function nullIfEmpty(value: unknown[]): unknown {
  return value.length === 0 ? null : value;
}

/**
 * Returns a field for an object of true and false by name, such as feature gates; a null in it is
 * accepted.
 */
export function booleans(): Field<Record<string, boolean>> {
  return field<Record<string, boolean>>({}, "names with true or false", (json) => {
    if (typeof json !== "object" || json === null || Array.isArray(json)) return NOT_ALLOWED;
    const isRight = Object.values(json).every((each) => each === null || typeof each === "boolean");
    return isRight ? (json as Record<string, boolean>) : NOT_ALLOWED;
  });
}

/** A duration, or a whole number of nanoseconds; kept unchanged. */
export function flushFrequency(): Field<string | number> {
  const isRight = (json: unknown) => {
    const value = typeof json === "string" ? parseGoDuration(json) : json;
    return typeof value === "number" && value >= 0 && (value !== json || Number.isInteger(value));
  };
  return kept("5s", `${DURATION}, or nanoseconds`, isRight);
}

/** A size as a Kubernetes quantity, or a number of bytes; kept unchanged. */
export function quantity(): Field<string | number> {
  const isQuantity = /^[+-]?(\d+\.?\d*|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$/;
  const isRight = (json: unknown) => typeof json === "number" || isQuantity.test(String(json));
  return kept("0", 'a size such as "0" or "64Ki"', isRight);
}

function kept(
  fallback: string,
  allowed: string,
  isRight: (json: string | number) => boolean,
): Field<string | number> {
  const isZero = (json: unknown) => json === 0 || json === "0" || json === "0s";
  return field<string | number>(fallback, allowed, (json) => {
    if (typeof json !== "string" && typeof json !== "number") return NOT_ALLOWED;
    if (!isRight(json)) return NOT_ALLOWED;
    return isZero(json) ? fallback : json;
  });
}
