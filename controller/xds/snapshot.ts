// Encoded resources of one type, and the names that an Envoy asked for → the content and the
// version of its answer.
//
// The version is a hash of the content, so it survives a restart of the controller: an Envoy that
// reconnects with the right version gets no answer.

import { createHash } from "node:crypto";
import { isWildcard } from "./type-urls.ts";

/** A resource in protobuf bytes, as in an answer. */
export interface EncodedResource {
  typeUrl: string;
  name: string;
  value: Buffer;
}

const versions = new WeakMap<EncodedResource, string>();

/** Returns the version of one resource: 16 hex digits, the same for the same content. */
export function resourceVersion(resource: EncodedResource): string {
  const known = versions.get(resource);
  if (known !== undefined) return known;
  const version = createHash("sha256").update(resource.value).digest("hex").slice(0, 16);
  versions.set(resource, version);
  return version;
}

/** What an Envoy should have of one type. */
export interface Selection {
  /** Sorted by name. */
  resources: readonly EncodedResource[];
  /** 16 hex digits; the same for the same resources, never empty. */
  version: string;
}

/** Returns what `names` ask for in `all`. Leaves out names that do not exist. */
export function selectResources(
  typeUrl: string,
  all: ReadonlyMap<string, EncodedResource>,
  names: readonly string[],
): Selection {
  const everything = names.length === 0 && isWildcard(typeUrl);
  const wanted = everything ? [...all.keys()] : names.filter((name) => all.has(name));
  const resources = wanted.toSorted().map((name) => all.get(name) as EncodedResource);
  return { resources, version: versionOf(resources) };
}

function versionOf(resources: readonly EncodedResource[]): string {
  const hash = createHash("sha256");
  for (const { name, value } of resources) hash.update(`${name}\0${value.length}\0`).update(value);
  return hash.digest("hex").slice(0, 16);
}

/** What an Envoy has after an answer without resources. */
export const EMPTY_SELECTION: Selection = { resources: [], version: versionOf([]) };
