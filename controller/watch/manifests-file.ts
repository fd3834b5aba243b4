// The text of one manifest file (YAML or JSON, many documents, Lists) → its objects, each with its
// line. No I/O. A file with any error gives no objects: the reader keeps the last good ones. An
// error is what the API server would refuse; what it accepts and no proxy can use is left out of
// its object.

import { isMap, isNode, isSeq, LineCounter, parseAllDocuments } from "yaml";
import { endpointSliceFromObject } from "../model/from-endpoint-slice.ts";
import { nodeFromObject } from "../model/from-node.ts";
import { serviceCIDRFromObject } from "../model/from-service-cidr.ts";
import { listOf, type Parsed, recordOf, shown, textOf } from "../model/json.ts";
import type { EndpointSlice, Node, Problem, ServiceCIDR } from "../model/types.ts";
import { type Pod, podFromObject } from "./manifests-pod.ts";
import { manifestServiceFromObject } from "./manifests-service.ts";
import { type SelectingService, selectingServiceFrom } from "./slices-from-pods.ts";

export interface ManifestValues {
  Service: SelectingService;
  EndpointSlice: EndpointSlice;
  Pod: Pod;
  Node: Node;
  ServiceCIDR: ServiceCIDR;
}
export type ManifestKind = keyof ManifestValues;
type ManifestContent = {
  [K in ManifestKind]: { kind: K; value: ManifestValues[K] };
}[ManifestKind];

export type ManifestObject = ManifestContent & {
  /** "Kind namespace/name", or "Kind name": the identity. */
  object: string;
  /** "file:line" of its first line. */
  place: string;
};

export interface ManifestFile {
  /** Its name in problems. */
  name: string;
  /** Undefined when the file has errors. */
  objects: ManifestObject[] | undefined;
  /** All harmless when the file has no errors. */
  problems: Problem[];
  /** Kinds that Portico does not read. */
  ignoredKinds: Set<string>;
}

/** How to add a kind: its group and name here, its use in manifests-objects.ts. */
const KINDS: Readonly<Record<string, (json: unknown) => Parsed<ManifestContent>>> = {
  "/Service": (json) =>
    as(
      "Service",
      mapped(manifestServiceFromObject(json), (value) => selectingServiceFrom(value, json)),
    ),
  "/Pod": (json) => as("Pod", podFromObject(json)),
  "/Node": (json) => as("Node", nodeFromObject(json)),
  "discovery.k8s.io/EndpointSlice": (json) => as("EndpointSlice", endpointSliceFromObject(json)),
  "networking.k8s.io/ServiceCIDR": (json) => as("ServiceCIDR", serviceCIDRFromObject(json)),
};

/**
 * Reads all documents of a YAML or JSON text. `name` is the file's, for problems. Never throws: one
 * problem that is not harmless discards all objects of the file.
 */
export function manifestFileFromText(name: string, text: string): ManifestFile {
  const file: ManifestFile = {
    name,
    objects: undefined,
    problems: [],
    ignoredKinds: new Set(),
  };
  const objects: ManifestObject[] = [];
  for (const { json, place } of manifestItems(name, text, file.problems)) {
    const content = readItem(json, place, file);
    if (content) objects.push(content);
  }
  if (file.problems.every(({ isHarmless }) => isHarmless)) file.objects = objects;
  return file;
}

interface ManifestItem {
  json: unknown;
  place: string;
}

/**
 * Returns every object of every document, the items of Lists one by one. Adds what is wrong with
 * the text to `problems`.
 */
export function manifestItems(name: string, text: string, problems: Problem[]): ManifestItem[] {
  const lineCounter = new LineCounter();
  const place = (offset: number) => `${name}:${lineCounter.linePos(offset).line}`;
  const problem = (offset: number, message: string) =>
    problems.push({ object: `File ${name}`, message: `${place(offset)}: ${message}` });
  const items: ManifestItem[] = [];
  for (const document of parseAllDocuments(text, {
    lineCounter,
    prettyErrors: false,
    merge: true,
  })) {
    for (const error of document.errors) problem(error.pos[0], error.message);
    const { contents } = document;
    if (document.errors.length > 0 || contents === null) continue;
    const start = contents.range?.[0] ?? 0;
    try {
      const json: unknown = document.toJS();
      if (json === null) continue;
      for (const part of partsOf(json, contents, start)) {
        items.push({ json: part.json, place: place(part.offset) });
      }
    } catch (error) {
      // An alias without an anchor, or so many that they would fill the memory.
      problem(start, error instanceof Error ? error.message : String(error));
    }
  }
  return items;
}

interface Part {
  json: unknown;
  offset: number;
}

/** Returns the object itself, or the items of a List, which may be Lists again. */
function partsOf(json: unknown, contents: unknown, offset: number): Part[] {
  const { apiVersion, kind, items } = recordOf(json);
  const [, itemKind] = /^(.*)List$/.exec(textOf(kind)) ?? [];
  if (itemKind === undefined || !(items === null || Array.isArray(items)))
    return [{ json, offset }];
  const nodes = isMap(contents) ? contents.get("items", true) : undefined;
  return listOf(items).flatMap((item, index) => {
    const node: unknown = isSeq(nodes) ? nodes.items[index] : undefined;
    const start = (isNode(node) ? node.range?.[0] : undefined) ?? offset;
    return partsOf(withKind(item, apiVersion, itemKind), node, start);
  });
}

/** The API server omits apiVersion and kind in the items of a ServiceList and similar lists. */
function withKind(item: unknown, apiVersion: unknown, kind: string): unknown {
  return kind === "" ? item : { apiVersion, kind, ...recordOf(item) };
}

function readItem(json: unknown, place: string, file: ManifestFile): ManifestObject | undefined {
  const { apiVersion, kind, metadata } = recordOf(json);
  if (textOf(kind) === "" || textOf(apiVersion) === "") {
    const name = shown(recordOf(metadata).name);
    const message = `${place}: apiVersion or kind is missing in the object named ${name}`;
    file.problems.push({ object: `File ${file.name}`, message });
    return undefined;
  }
  const group = textOf(apiVersion).split("/").slice(0, -1).join("/");
  const read = Object.hasOwn(KINDS, `${group}/${kind}`) ? KINDS[`${group}/${kind}`] : undefined;
  if (!read) {
    file.ignoredKinds.add(textOf(kind));
    return undefined;
  }
  const { value, problems } = read(json);
  for (const problem of problems) {
    file.problems.push({ ...problem, message: `${place}: ${problem.message}` });
  }
  return value && { ...value, object: identityOf(value), place };
}

function identityOf({ kind, value }: ManifestContent): string {
  const { namespace, name } =
    kind === "Service" ? value.service : { namespace: undefined, ...value };
  return namespace === undefined ? `${kind} ${name}` : `${kind} ${namespace}/${name}`;
}

function mapped<T, U>({ value, problems }: Parsed<T>, map: (value: T) => U): Parsed<U> {
  return { value: value === undefined ? undefined : map(value), problems };
}

function as<K extends ManifestKind>(kind: K, parsed: Parsed<ManifestValues[K]>) {
  return mapped(parsed, (value) => ({ kind, value }) as ManifestContent);
}
