// Flags and environment of `portico doctor` → where its objects come from: what the flags name, as
// kubectl finds it, what the controller of this node is fed by, or the Pod's service account.

import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { runPaths, type SourceOptions } from "../config.ts";
import { type ControllerStatus, STATUS_PATH } from "../daemon/control-api.ts";
import { callController } from "./control-client.ts";

interface SourceFlags {
  kubeconfig?: string;
  context?: string;
  manifests?: string;
  runDir: string;
}

/** Of the API server: undefined is as kubectl finds it, or the Pod's service account. */
export type DoctorSource =
  | { kind: "api"; kubeconfig: string | undefined }
  | { kind: "manifests"; directory: string };

export async function doctorSource(flags: SourceFlags): Promise<DoctorSource> {
  const { kubeconfig, context, manifests, runDir } = flags;
  if (manifests !== undefined) return { kind: "manifests", directory: resolve(manifests) };
  const isNamed = kubeconfig !== undefined || context !== undefined;
  if (isNamed || hasKubectlConfig()) return { kind: "api", kubeconfig };
  const fedBy = await controllersSource(runDir);
  if (fedBy?.kind === "manifests") return fedBy;
  return { kind: "api", kubeconfig: fedBy?.kind === "kubeconfig" ? fedBy.file : undefined };
}

function hasKubectlConfig(): boolean {
  return Boolean(process.env.KUBECONFIG) || existsSync(join(homedir(), ".kube", "config"));
}

/** Undefined when no controller answers: what is wrong with it is a finding of its own. */
async function controllersSource(runDir: string): Promise<SourceOptions | undefined> {
  const { controlSocket } = runPaths(runDir);
  if (!existsSync(controlSocket)) return undefined;
  const asked = callController<Partial<ControllerStatus>>(controlSocket, "GET", STATUS_PATH);
  const status = await asked.catch(() => undefined);
  return status?.fedBy;
}
