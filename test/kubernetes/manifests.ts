// A folder of deploy/kubernetes → the objects that `kubectl apply -k` would send, by kustomize
// itself.

import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { runCommand } from "../namespaces/command.ts";
import { goTool } from "./tool.ts";

export const DEPLOY = join(import.meta.dirname, "../../deploy/kubernetes");

export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  [field: string]: unknown;
}

export async function kustomized(directory: string): Promise<Manifest[]> {
  const { stdout } = await runCommand(await goTool("kustomize"), ["build", directory]);
  return parseAllDocuments(stdout).map((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    return document.toJS() as Manifest;
  });
}

/** The only one of its kind; throws when there is none, or several. */
export function only<Kind extends object>(manifests: readonly Manifest[], kind: string): Kind {
  const found = manifests.filter((manifest) => manifest.kind === kind);
  if (found.length === 1) return found[0] as unknown as Kind;
  throw new Error(`${found.length} of kind ${kind} among ${manifests.map(({ kind }) => kind)}`);
}
