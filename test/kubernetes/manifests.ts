// A folder of deploy/kubernetes, or the chart in deploy/helm → the objects that `kubectl apply -k`
// or `helm install` would send, by kustomize and Helm themselves.

import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { runCommand } from "../namespaces/command.ts";
import { goTool } from "./tool.ts";

export const DEPLOY = join(import.meta.dirname, "../../deploy/kubernetes");

const CHART = join(import.meta.dirname, "../../deploy/helm");

export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  [field: string]: unknown;
}

export async function kustomized(directory: string): Promise<Manifest[]> {
  const { stdout } = await runCommand(await goTool("kustomize"), ["build", directory]);
  return manifestsFrom(stdout);
}

/** Rejects with what Helm says of values that it does not take. */
export async function helmTemplate(namespace: string, values: object): Promise<Manifest[]> {
  const parameters = ["template", "portico", CHART, "--namespace", namespace, "--values", "-"];
  const input = JSON.stringify(values);
  const { stdout } = await runCommand(await goTool("helm"), parameters, { input });
  return manifestsFrom(stdout);
}

function manifestsFrom(text: string): Manifest[] {
  return parseAllDocuments(text).map((document) => {
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
