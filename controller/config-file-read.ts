// The text of a configuration file (YAML or JSON) → the values of a KubeProxyConfiguration, with
// what is wrong named by line. It knows the shape of the file and not what the values are for.
//
// It is as lenient and as strict as kube-proxy 1.37 (cmd/kube-proxy/app/options.go, loadConfig): a
// wrong type ends the start; a field that is unknown or given twice is named in a warning; only the
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
import { isSet, NOT_ALLOWED } from "./config-file-fields.ts";
import {
  API_VERSION,
  isField,
  KIND,
  type KubeProxyValues,
  SCHEMA,
  type Schema,
} from "./config-file-schema.ts";
import { recordOf, shown } from "./model/json.ts";

/** Of a list, in a message. */
const MAX_SHOWN = 80;

/** The file cannot be used. One line for each thing that is wrong. */
export class ConfigFileError extends Error {
  override readonly name = "ConfigFileError";

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
  }
}

export interface ReadFile {
  values: KubeProxyValues;
  /** Fields that are set to something and that Portico has no use for: "ipvs.scheduler". */
  withoutMeaning: string[];
  /** Fields that kube-proxy does not know: "conntrack.max". */
  unknown: string[];
  /** Names that a section has twice, of which the last counts. */
  twice: string[];
  /** "file:line" of a field, or of the nearest one that is given: placeOf("detectLocal.x"). */
  placeOf: (path: string) => string;
}

/** Throws ConfigFileError. `name` is the file's, for messages. */
export function readConfigFile(name: string, text: string): ReadFile {
  const lineCounter = new LineCounter();
  const placeAt = (offset: number) => `${name}:${lineCounter.linePos(offset).line}`;
  const [document] = parseAllDocuments(text, { ...AS_GO_READS, lineCounter });
  if (!document || "empty" in document) throw new ConfigFileError([`${name}: it is empty`]);
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

/** What a file that says nothing means. */
export function defaultValues(): KubeProxyValues {
  return new Reader(null).section(SCHEMA, null, []) as KubeProxyValues;
}

/** As YAML 1.1 has them. The rest of that version is not wanted: e1, a name, would be a number. */
const OLD_BOOLEAN: ScalarTag = {
  tag: "tag:yaml.org,2002:bool",
  default: true,
  test: /^(?:y|Y|yes|Yes|YES|on|On|ON|n|N|no|No|NO|off|Off|OFF)$/,
  resolve: (text) => /^(?:y|on)/i.test(text),
};

/** A name that is given twice is no error of the syntax. */
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

/** An alias of nothing, or so many that they would fill the memory, is only found here. */
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

  /** `json` is what stands in the file at `path`; null and absent mean that nothing is set. */
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
    this.#problem(path, `${path.join(".")} is ${given}; give ${allowed}`);
  }

  #problem(path: readonly string[], message: string): void {
    this.problems.push({ offset: this.offsetOf(path), message });
  }

  /** Of the key, or of what it would stand in. */
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
