// The texts of kubeconfig files → one set of named entries, as client-go's clientcmd merges them:
// the first file with an entry wins, for the whole entry; so does the first non-empty
// current-context. No I/O; entries are checked only when used (user.ts, cluster.ts).

import { dirname, resolve } from "node:path";
import { parseAllDocuments } from "yaml";
import { listOf, recordOf, shown, textOf } from "../model/json.ts";

/** One cluster, user or context. */
export interface Entry {
  json: unknown;
  /** The absolute folder of its file, from which its relative paths start. */
  folder: string;
}

export interface MergedFiles {
  currentContext: string;
  clusters: Map<string, Entry>;
  users: Map<string, Entry>;
  contexts: Map<string, Entry>;
}

/** The list of each kind, and the field with an item's content. */
const LISTS = { clusters: "cluster", users: "user", contexts: "context" } as const;

/** Throws an Error with the file's name and what is wrong with its text. */
export function mergedFiles(files: readonly { path: string; text: string }[]): MergedFiles {
  const merged: MergedFiles = {
    currentContext: "",
    clusters: new Map(),
    users: new Map(),
    contexts: new Map(),
  };
  for (const { path, text } of files) {
    try {
      add(merged, dirname(resolve(path)), documentFrom(text));
    } catch (error) {
      throw new Error(`the kubeconfig ${path} cannot be read: ${(error as Error).message}`);
    }
  }
  return merged;
}

/** Returns the first document; an empty text is an empty kubeconfig. */
function documentFrom(text: string): Readonly<Record<string, unknown>> {
  const options = { uniqueKeys: false, merge: true, prettyErrors: true } as const;
  const [document] = parseAllDocuments(text.replace(/^\uFEFF/, ""), options);
  if (!document || "empty" in document) return {};
  const [error] = document.errors;
  if (error) throw error;
  const json: unknown = document.toJS() ?? {};
  if (typeof json !== "object" || Array.isArray(json)) throw new Error("it contains no object");
  const { apiVersion = "v1", kind = "Config", ...rest } = recordOf(json);
  if (apiVersion !== "v1") throw new Error(`apiVersion is ${shown(apiVersion)}; it must be v1`);
  if (kind !== "Config") throw new Error(`kind is ${shown(kind)}; it must be Config`);
  return rest;
}

function add(merged: MergedFiles, folder: string, json: Readonly<Record<string, unknown>>): void {
  merged.currentContext ||= textOf(json["current-context"]);
  for (const [list, field] of Object.entries(LISTS)) {
    const given = json[list] ?? [];
    if (!Array.isArray(given)) throw new Error(`${list} is ${shown(given)}; it must be a list`);
    const own = entries(list, field, folder, listOf(given));
    const before = merged[list as keyof typeof LISTS];
    for (const [name, entry] of own) if (!before.has(name)) before.set(name, entry);
  }
}

function entries(
  list: string,
  field: string,
  folder: string,
  given: readonly unknown[],
): Map<string, Entry> {
  const own = new Map<string, Entry>();
  for (const item of given) {
    const { name, [field]: json } = recordOf(item);
    if (name !== undefined && name !== null && typeof name !== "string") {
      throw new Error(`${list}: the name ${shown(name)} must be a text: put it in quotes`);
    }
    if (own.has(name ?? "")) throw new Error(`${list}: two have the name ${shown(name)}`);
    own.set(name ?? "", { json: json ?? undefined, folder });
  }
  return own;
}
