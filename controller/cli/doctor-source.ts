// Flags and environment of `portico doctor` → where its objects come from: what the flags name, as
// kubectl finds it, the source of this node's controller, or the Pod's service account.

import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { runPaths, type SourceOptions } from "../config/run-options.ts";
import { type ControllerStatus, STATUS_PATH } from "../control/control-api.ts";
import { callController } from "./control-client.ts";

interface SourceFlags {
  kubeconfig?: string;
  context?: string;
  manifests?: string;
  runDir: string;
}

/** The API server: undefined is as kubectl finds it, or the Pod's service account. */
type DoctorSource =
  | { kind: "api"; kubeconfig: string | undefined }
  | { kind: "manifests"; directory: string };

/**
 * Returns where to read from. Flags win, then kubectl's own configuration, then the source of this
 * node's controller.
 */
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

/** Returns undefined when no controller answers: the reason is a separate finding. */
async function controllersSource(runDir: string): Promise<SourceOptions | undefined> {
  const { controlSocket } = runPaths(runDir);
  if (!existsSync(controlSocket)) return undefined;
  const asked = callController<Partial<ControllerStatus>>(controlSocket, "GET", STATUS_PATH);
  const status = await asked.catch(() => undefined);
  return status?.fedBy;
}
