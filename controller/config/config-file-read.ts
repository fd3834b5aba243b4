// The text of a configuration file (YAML or JSON) → the values of a KubeProxyConfiguration, and
// errors by line. It knows the shape of the file, not the use of the values.
//
// It is as lenient and as strict as kube-proxy 1.37 (cmd/kube-proxy/app/options.go, loadConfig): a
// wrong type prevents the start; a field that is unknown or given twice causes a warning; only the
// first document counts. test/cluster/proxy-files.test.ts compares the two.

import {
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  type ScalarTag,
  type Tags,
} from "yaml";
import { recordOf, shown } from "../model/json.ts";
import { isSet, NOT_ALLOWED } from "./config-file-fields.ts";
import {
  API_VERSION,
  isField,
  KIND,
  type KubeProxyValues,
  SCHEMA,
  type Schema,
} from "./config-file-schema.ts";

/** The longest list in a message, in characters. */
const MAX_SHOWN = 80;

/** The file cannot be used. One line for each error. */
export class ConfigFileError extends Error {
  override readonly name = "ConfigFileError";

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
  }
}

export interface ReadFile {
  values: KubeProxyValues;
  /** Fields that are set but not used by Portico: "ipvs.scheduler". */
  withoutMeaning: string[];
  /** Fields that kube-proxy does not know: "conntrack.max". */
  unknown: string[];
  /** Names that a section has twice; the last counts. */
  twice: string[];
  /** "file:line" of a field, or of the nearest one that is given: placeOf("detectLocal.x"). */
  placeOf: (path: string) => string;
}

/** Throws ConfigFileError. `name` is the file's, for messages. */
export function readConfigFile(name: string, text: string): ReadFile {
  const lineCounter = new LineCounter();
  const placeAt = (offset: number) => `${name}:${lineCounter.linePos(offset).line}`;
  const [document] = parseAllDocuments(text, { ...AS_GO_READS, lineCounter });
  if (!document || "empty" in document) throw new ConfigFileError([`${name}: the file is empty`]);
  const errors = document.errors.map(({ pos, message }) => `${placeAt(pos[0])}: ${message}`);
  if (errors.length > 0) throw new ConfigFileError(errors);
  const reader = new Reader(document.contents);
  const json = jsonOf(name, () => document.toJS());
  reader.expect("apiVersion", json.apiVersion, API_VERSION);
  reader.expect("kind", json.kind, KIND);
  const { apiVersion: _, kind: __, ...rest } = json;
  const values = reader.section(SCHEMA, rest, []) as KubeProxyValues;
  const problems = reader.problems.sort((a, b) => a.offset - b.offset);
  if (problems.length > 0) {
    throw new ConfigFileError(
      problems.map(({ offset, message }) => `${placeAt(offset)}: ${message}`),
    );
  }
  const placeOf = (path: string) => placeAt(reader.offsetOf(path.split(".")));
  const { withoutMeaning } = reader;
  const unknown = reader.unknown
    .sort((a, b) => reader.offsetOf(a) - reader.offsetOf(b))
    .map((path) => path.join("."));
  return { values, withoutMeaning, unknown, twice: namesGivenTwice(document.contents), placeOf };
}

/** Returns the values of an empty file. */
export function defaultValues(): KubeProxyValues {
  return new Reader(null).section(SCHEMA, null, []) as KubeProxyValues;
}

/** Booleans of YAML 1.1. The rest of that version is unwanted: e1, a name, would be a number. */
const OLD_BOOLEAN: ScalarTag = {
  tag: "tag:yaml.org,2002:bool",
  default: true,
  test: /^(?:y|Y|yes|Yes|YES|on|On|ON|n|N|no|No|NO|off|Off|OFF)$/,
  resolve: (text) => /^(?:y|on)/i.test(text),
};

/** A duplicate name is not a syntax error. */
const AS_GO_READS = {
  customTags: (tags: Tags) => [OLD_BOOLEAN, ...tags],
  uniqueKeys: false,
  merge: true,
  prettyErrors: false,
};

function namesGivenTwice(node: unknown): string[] {
  if (isSeq(node)) return node.items.flatMap(namesGivenTwice);
  if (!isMap(node)) return [];
  const names = node.items.map(({ key }) => (isScalar(key) ? String(key.value) : ""));
  const twice = names.filter((name, index) => names.indexOf(name) < index);
  return [...new Set(twice), ...node.items.flatMap(({ value }) => namesGivenTwice(value))];
}

/** Only here do aliases fail that have no anchor, or that would fill the memory. */
function jsonOf(name: string, read: () => unknown) {
  try {
    return recordOf(read());
  } catch (error) {
    throw new ConfigFileError([`${name}: ${(error as Error).message}`]);
  }
}

class Reader {
  readonly problems: { offset: number; message: string }[] = [];
  readonly withoutMeaning: string[] = [];
  readonly unknown: string[][] = [];
  readonly #root: Node | null;

  constructor(root: Node | null) {
    this.#root = root;
  }

  expect(field: string, given: unknown, expected: string): void {
    if (given !== expected) this.#wrong([field], given, expected);
  }

  /** `json` is the file's value at `path`; null and absent mean that nothing is set. */
  section(schema: Schema, json: unknown, path: readonly string[]): Record<string, unknown> {
    if (json !== null && (typeof json !== "object" || Array.isArray(json))) {
      this.#wrong(path, json, "fields");
    }
    const record = recordOf(json);
    for (const name of Object.keys(record)) {
      if (!Object.hasOwn(schema, name)) this.unknown.push([...path, name]);
    }
    const entries = Object.entries(schema).map(([name, node]) => {
      const given = Object.hasOwn(record, name) ? record[name] : undefined;
      return [name, this.#value(node, given, [...path, name])];
    });
    return Object.fromEntries(entries);
  }

  #value(node: Schema[string], json: unknown, path: readonly string[]): unknown {
    if (!isField(node)) return this.section(node, json ?? null, path);
    if (json === undefined || (json === null && !node.refusesNull)) return node.fallback;
    const value = node.parse(json);
    if (value === NOT_ALLOWED) {
      this.#wrong(path, json, node.allowed);
      return node.fallback;
    }
    if (!node.isUsed && isSet(node, value)) this.withoutMeaning.push(path.join("."));
    return value;
  }

  #wrong(path: readonly string[], json: unknown, allowed: string): void {
    const given = Array.isArray(json) ? JSON.stringify(json).slice(0, MAX_SHOWN) : shown(json);
    this.#problem(path, `${path.join(".")} is ${given}; set ${allowed}`);
  }

  #problem(path: readonly string[], message: string): void {
    this.problems.push({ offset: this.offsetOf(path), message });
  }

  /** Returns the offset of the key, or of the section that it would be in. */
  offsetOf(path: readonly string[]): number {
    let node: unknown = this.#root;
    let offset = this.#root?.range?.[0] ?? 0;
    for (const name of path) {
      const pair = isMap(node)
        ? node.items.find(({ key }) => isScalar(key) && key.value === name)
        : undefined;
      if (!pair) break;
      if (isNode(pair.key)) offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    }
    return offset;
  }
}
