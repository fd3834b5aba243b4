// How the values of a KubeProxyConfiguration are read and written, kind by kind. Where Go cannot
// tell its zero value from one that is not set, that value counts as not set here too.

import { isDeepStrictEqual } from "node:util";
import { goDuration, parseGoDuration } from "./config-file-duration.ts";
import { addressAndPort, parseAddress, parseCIDR } from "./model/ip.ts";
import { recordOf } from "./model/json.ts";
import type { BindAddress } from "./observe/http-endpoint.ts";

export const NOT_ALLOWED = Symbol("not allowed");
type Parsed<T> = T | typeof NOT_ALLOWED;

/** One setting. */
export interface Field<T> {
  /** Of a value that is not null; null is as if absent, unless `refusesNull`. */
  parse(json: unknown): Parsed<T>;
  /** Go reads null into it by the same code as a text, and fails. */
  refusesNull?: true;
  /** For people, after "give": "a whole number from 0 to 31". */
  allowed: string;
  /** When it is not set, as kube-proxy has it. */
  fallback: T;
  /** As kube-proxy --write-config-to does. */
  write(value: T): unknown;
  /** False: known, but Portico has no use for it. */
  isUsed: boolean;
}

/** Known, and without meaning for Portico. */
export function unused<T>(field: Field<T>): Field<T> {
  return { ...field, isUsed: false };
}

/** Whether somebody wants something by it: neither Go's zero value nor what it is anyway. */
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

export function text(fallback = ""): Field<string> {
  return field(fallback, "a text", (json) =>
    typeof json === "string" ? json || fallback : NOT_ALLOWED,
  );
}

/** The first is the fallback; it may be empty. */
export function choice<T extends string>(...values: readonly [T, ...T[]]): Field<T> {
  const named = values.filter((value) => value !== "");
  return field(values[0], `one of ${named.join(", ")}`, (json) =>
    json === "" ? values[0] : (values.find((value) => value === json) ?? NOT_ALLOWED),
  );
}

export function boolean(fallback = false): Field<boolean> {
  return field(fallback, "true or false", (json) =>
    typeof json === "boolean" ? json : NOT_ALLOWED,
  );
}

interface Bounds {
  least: number;
  most: number;
}

/** `zero`: what 0 stands for; 0 itself where null is what is not set. */
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

export function integer(fallback: number, bounds: Bounds): Field<number> {
  return wholeNumber(fallback, fallback, bounds);
}

export function nullableInteger<F extends number | undefined>(
  fallback: F,
  bounds: Bounds,
): Field<number | F> {
  return wholeNumber(fallback, 0, bounds);
}

export function decimal(fallback: number): Field<number> {
  return field(fallback, "a number", (json) =>
    typeof json === "number" ? json || fallback : NOT_ALLOWED,
  );
}

const DURATION = "a duration such as 250ms, 30s or 1h30m";

/** Milliseconds, perhaps negative: whether that is right depends on other settings. */
export function duration<F extends number | undefined>(fallback: F): Field<number | F> {
  return { ...period(fallback, fallback), refusesNull: true };
}

/** The same, where kube-proxy has a pointer: null is what is not set, and 0 is 0. */
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

/** Undefined when it is not set, since its fallback depends on another setting. */
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

/** "10.0.0.1:80", "[::]:80", or without a port. Undefined when it is none. */
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
 * Canonical CIDRs, of "10.1.0.0/16" or "10.1.0.0/16,fd00::/48": one, or one of each family; none of
 * an empty text. Undefined when it is neither.
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

/** Of logging: files and how much they say. */
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

/** As Go writes an empty list. */
function nullIfEmpty(value: unknown[]): unknown {
  return value.length === 0 ? null : value;
}

export function booleans(): Field<Record<string, boolean>> {
  return field<Record<string, boolean>>({}, "names with true or false", (json) => {
    if (typeof json !== "object" || json === null || Array.isArray(json)) return NOT_ALLOWED;
    const isRight = Object.values(json).every((each) => each === null || typeof each === "boolean");
    return isRight ? (json as Record<string, boolean>) : NOT_ALLOWED;
  });
}

/** A duration, or a whole number of nanoseconds; kept as it is. */
export function flushFrequency(): Field<string | number> {
  const isRight = (json: unknown) => {
    const value = typeof json === "string" ? parseGoDuration(json) : json;
    return typeof value === "number" && value >= 0 && (value !== json || Number.isInteger(value));
  };
  return kept("5s", `${DURATION}, or nanoseconds`, isRight);
}

/** A size as Kubernetes' quantities are written, or a number of bytes; kept as it is. */
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
