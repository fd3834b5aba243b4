// Kubernetes objects as they arrive → trimmed objects in the sink. Reports and counts what is wrong
// with an object, and forgets the object itself as soon as it is trimmed.

import { type Parsed, recordOf, textOf } from "../model/json.ts";
import type { Kind, KindTypes, ObjectKey, Problem } from "../model/types.ts";

/** Where the objects go: the cluster state. */
export interface WatchSink {
  /** Takes all objects of the kind, after a list. Others are gone; the kind is synced. */
  replaceAll<K extends Kind>(kind: K, objects: readonly KindTypes[K][]): void;
  upsert<K extends Kind>(kind: K, object: KindTypes[K]): void;
  /** Removes an object, which may be unknown. */
  remove(kind: Kind, key: ObjectKey): void;
}

/** Replaces the problems of "Kind namespace/name"; an empty list: none any more. */
export type ReportProblems = (object: string, problems: readonly Problem[]) => void;

export class Intake<K extends Kind> {
  readonly #kind: K;
  readonly #parse: (json: unknown) => Parsed<KindTypes[K]>;
  readonly #sink: WatchSink;
  readonly #report: ReportProblems;
  /** The objects that have problems now. */
  readonly #bad = new Set<ObjectKey>();
  #gathered: KindTypes[K][] = [];
  #gatheredBad = new Set<ObjectKey>();
  #synced = false;

  constructor(
    kind: K,
    parse: (json: unknown) => Parsed<KindTypes[K]>,
    sink: WatchSink,
    report: ReportProblems,
  ) {
    this.#kind = kind;
    this.#parse = parse;
    this.#sink = sink;
    this.#report = report;
  }

  get synced(): boolean {
    return this.#synced;
  }

  /** How many objects have problems now. */
  get badCount(): number {
    return this.#bad.size;
  }

  /** Drops what an unfinished list has gathered. */
  beginList(): void {
    this.#gathered = [];
    this.#gatheredBad = new Set();
  }

  /** Takes one object of a list; nothing reaches the sink before endList. */
  gather(json: unknown): void {
    const key = keyOf(json);
    const { value, problems } = this.#parse(json);
    if (value !== undefined) this.#gathered.push(value);
    this.#setProblems(key, problems);
    if (problems.length > 0) this.#gatheredBad.add(key);
  }

  /** The list is complete. */
  endList(): void {
    for (const key of this.#bad) if (!this.#gatheredBad.has(key)) this.#setProblems(key, []);
    this.#sink.replaceAll(this.#kind, this.#gathered);
    this.beginList();
    this.#synced = true;
  }

  /** Updates an object, or removes one of which `parse` keeps nothing. */
  upsert(json: unknown): void {
    const key = keyOf(json);
    const { value, problems } = this.#parse(json);
    this.#setProblems(key, problems);
    if (value === undefined) this.#sink.remove(this.#kind, key);
    else this.#sink.upsert(this.#kind, value);
  }

  remove(json: unknown): void {
    const key = keyOf(json);
    this.#setProblems(key, []);
    this.#sink.remove(this.#kind, key);
  }

  #setProblems(key: ObjectKey, problems: readonly Problem[]): void {
    const wasBad = this.#bad.has(key);
    if (problems.length > 0) this.#bad.add(key);
    else this.#bad.delete(key);
    if (wasBad || problems.length > 0) this.#report(`${this.#kind} ${key}`, problems);
  }
}

function keyOf(json: unknown): ObjectKey {
  const metadata = recordOf(recordOf(json).metadata);
  const [namespace, name] = [textOf(metadata.namespace), textOf(metadata.name)];
  return namespace === "" ? name : `${namespace}/${name}`;
}
