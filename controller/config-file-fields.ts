// How the values of a KubeProxyConfiguration are read and written, kind by kind. Where Go cannot
// tell its zero value from one that is not set, that value counts as not set here too.

import { isDeepStrictEqual } from "node:util";
import { goDuration, parseGoDuration } from "./config-file-duration.ts";
import { addressAndPort, parseAddress, parseCIDR } from "./model/ip.ts";
import type { BindAddress } from "./observe/http-endpoint.ts";

export const NOT_ALLOWED = Symbol("not allowed");
type Parsed<T> = T | typeof NOT_ALLOWED;

/** One setting. */
export interface Field<T> {
  /** Of a value that is not null. */
  parse(json: unknown): Parsed<T>;
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
    if (typeof json !== "number" || !Number.isInteger(json)) return NOT_ALLOWED;
    return json >= least && json <= most ? json : NOT_ALLOWED;
  };
  const write = (value: number | F) => value ?? null;
  return field(fallback, `a whole number from ${least} to ${most}`, parse, write);
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

/** Milliseconds. */
export function duration<F extends number | undefined>(fallback: F): Field<number | F> {
  const parse = (json: unknown) => {
    const milliseconds = typeof json === "string" ? parseGoDuration(json) : undefined;
    if (milliseconds === undefined || milliseconds < 0) return NOT_ALLOWED;
    return milliseconds === 0 ? fallback : milliseconds;
  };
  const write = (value: number | F) => goDuration(value ?? 0);
  return field<number | F>(fallback, "a duration such as 250ms, 30s or 1h30m", parse, write);
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

/** Canonical CIDRs, of "10.1.0.0/16" or "10.1.0.0/16,fd00::/48": one, or one of each family. */
export function clusterCIDR(): Field<string[]> {
  const parse = (json: unknown) => {
    const parts = json === "" ? [] : String(json).split(",");
    const cidrs = parts.map(parseCIDR).filter((cidr) => cidr !== undefined);
    const families = new Set(cidrs.map((cidr) => cidr.includes(":")));
    const isWhole = cidrs.length === parts.length && families.size === cidrs.length;
    return isWhole ? cidrs : NOT_ALLOWED;
  };
  const allowed = "a CIDR, or one of each family such as 10.244.0.0/16,fd00:10:244::/56";
  return field<string[]>([], allowed, parse, (value) => value.join(","));
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

/** Of a shape that nobody here looks into. */
export function list(): Field<unknown[]> {
  const parse = (json: unknown) => (Array.isArray(json) ? json : NOT_ALLOWED);
  return field<unknown[]>([], "a list", parse, nullIfEmpty);
}

/** As Go writes an empty list. */
function nullIfEmpty(value: unknown[]): unknown {
  return value.length === 0 ? null : value;
}

export function booleans(): Field<Record<string, boolean>> {
  return field<Record<string, boolean>>({}, "names with true or false", (json) => {
    if (typeof json !== "object" || json === null || Array.isArray(json)) return NOT_ALLOWED;
    const isRight = Object.values(json).every((value) => typeof value === "boolean");
    return isRight ? (json as Record<string, boolean>) : NOT_ALLOWED;
  });
}

/** A duration or a number of nanoseconds, a size or a number of bytes. Kept as it is. */
export function anyScalar(fallback: string): Field<string | number> {
  return field<string | number>(fallback, "a text or a number", (json) => {
    if (json === 0) return fallback;
    return typeof json === "string" || typeof json === "number" ? json : NOT_ALLOWED;
  });
}
