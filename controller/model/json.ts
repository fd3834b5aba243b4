// Reads untrusted JSON: every question has an answer, none throws.

import type { Problem } from "./types.ts";

export type JsonRecord = Readonly<Record<string, unknown>>;

const EMPTY_RECORD: JsonRecord = Object.freeze({});
const EMPTY_LIST: readonly unknown[] = Object.freeze([]);

/** The object, or an empty one for anything else. */
export function recordOf(value: unknown): JsonRecord {
  const isRecord = typeof value === "object" && value !== null && !Array.isArray(value);
  return isRecord ? (value as JsonRecord) : EMPTY_RECORD;
}

/** The array, or an empty one for anything else. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : EMPTY_LIST;
}

/** The string, or an empty one for anything else. */
export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** The string values under their keys; others are left out. */
export function textsOf(value: unknown): Record<string, string> {
  const entries = Object.entries(recordOf(value));
  return Object.fromEntries(entries.filter(([, text]) => typeof text === "string")) as Record<
    string,
    string
  >;
}

/** Own properties only: a label may be called "constructor". */
export function hasKey(record: JsonRecord, key: string): boolean {
  return Object.hasOwn(record, key);
}

/** Returns a value as a message shows it, shortened. */
export function shown(value: unknown): string {
  if (value === undefined || value === null) return "not given";
  if (typeof value === "object") return Array.isArray(value) ? "a list" : "an object";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/**
 * Returns a list for as long as its object lives, of exactly its length: a list that was pushed to
 * has room for 17 items. Empty ones are the same; do not change it.
 */
export function keptList<T>(list: readonly T[]): T[] {
  return list.length === 0 ? (EMPTY_LIST as T[]) : list.slice();
}

/**
 * The result of reading a Kubernetes object. No value and no problem: Portico ignores it (an
 * EndpointSlice of host names, say). No value and problems: it is unusable. A value and problems:
 * the value leaves out the bad parts.
 */
export interface Parsed<T> {
  value: T | undefined;
  problems: Problem[];
}

/** An object being read: its identity, its parts, and its problems so far. */
export class ObjectReader {
  readonly problems: Problem[] = [];
  readonly namespace: string;
  readonly name: string;
  readonly metadata: JsonRecord;
  readonly labels: JsonRecord;
  readonly annotations: JsonRecord;
  readonly spec: JsonRecord;
  readonly status: JsonRecord;
  readonly root: JsonRecord;
  /** "Kind namespace/name", as in a Problem. */
  readonly object: string;

  constructor(kind: string, json: unknown, namespaced: boolean) {
    this.root = recordOf(json);
    this.metadata = recordOf(this.root.metadata);
    this.labels = recordOf(this.metadata.labels);
    this.annotations = recordOf(this.metadata.annotations);
    this.spec = recordOf(this.root.spec);
    this.status = recordOf(this.root.status);
    this.name = textOf(this.metadata.name);
    this.namespace = namespaced ? textOf(this.metadata.namespace) || "default" : "";
    const name = this.name || "(no name)";
    this.object = namespaced ? `${kind} ${this.namespace}/${name}` : `${kind} ${name}`;
    if (this.name === "") this.problem("metadata.name is missing; set a name");
  }

  problem(message: string, reason?: string): void {
    this.problems.push({ object: this.object, message, ...(reason && { reason }) });
  }

  /** Notes a part that Kubernetes allows but no proxy can use; with a reason, for an Event. */
  leftOut(message: string, reason?: string): void {
    this.problems.push({
      object: this.object,
      message,
      isHarmless: true,
      ...(reason && { reason }),
    });
  }

  /** Returns one of `known`; the first of them when absent. */
  oneOf<T extends string>(field: string, value: unknown, known: readonly [T, ...T[]]): T {
    if (value === undefined || value === null || value === "") return known[0];
    const found = known.find((candidate) => candidate === value);
    if (found === undefined) {
      this.problem(`${field} is ${shown(value)}; it must be one of ${known.join(", ")}`);
    }
    return found ?? known[0];
  }

  /** Returns a port number from `least` to 65535; undefined (and a problem) for anything else. */
  port(field: string, value: unknown, least: 0 | 1): number | undefined {
    if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= 65535) {
      return value;
    }
    this.problem(`${field} is ${shown(value)}; it must be a number from ${least} to 65535`);
    return undefined;
  }

  /** Returns the valid texts of a list, made canonical by `parse`; a problem for each other. */
  parsedTexts(
    field: string,
    values: readonly unknown[],
    parse: (text: string) => string | undefined,
  ): string[] {
    const texts: string[] = [];
    for (const value of values) {
      const text = parse(textOf(value).trim());
      if (text !== undefined) texts.push(text);
      else this.problem(`${field}: ${shown(value)} is not valid`, "AddressRefused");
    }
    return keptList(texts);
  }

  /** Returns the result; no value when the object has no identity. */
  result<T>(value: T): Parsed<T> {
    return { value: this.name === "" ? undefined : value, problems: this.problems };
  }
}
