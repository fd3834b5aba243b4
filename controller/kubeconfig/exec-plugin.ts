// Runs a credential plugin and reads what it prints. After client-go plugin/pkg/client/auth/exec,
// except that a plugin that does not prompt has 20 s, and that the error contains its last output.

import { spawn } from "node:child_process";
import { isatty } from "node:tty";
import { recordOf, shown, textOf } from "../model/json.ts";
import { shortageForProgram } from "../system/shortage.ts";
import type { ExecPlugin } from "./access.ts";

const PATIENCE_MS = 20_000;
const MAX_OUTPUT = 1_048_576;
const MAX_LAST_WORDS = 500;

/** At least a token, or certificate and key. */
export interface ExecCredential {
  token: string;
  certificate: { cert: string; key: string } | undefined;
  /** Milliseconds since 1970; undefined: valid until the API server refuses it. */
  expiresAt: number | undefined;
}

/** Throws an Error with the command, what happened, and the file's hint where it has one. */
export async function runExecPlugin(
  plugin: ExecPlugin,
  cluster: Record<string, unknown> | undefined,
): Promise<ExecCredential> {
  const { apiVersion, command, interactiveMode } = plugin;
  const hasTerminal = isatty(0);
  if (interactiveMode === "Always" && !hasTerminal) {
    throw new Error(`the exec plugin ${command} needs a terminal (interactiveMode Always)`);
  }
  const interactive = interactiveMode !== "Never" && hasTerminal;
  const spec = { ...(cluster && { cluster }), interactive };
  const info = JSON.stringify({ kind: "ExecCredential", apiVersion, spec });
  const output = await outputOf(plugin, info, interactive);
  try {
    return credentialFrom(apiVersion, output);
  } catch (error) {
    throw new Error(`the exec plugin ${command}: ${(error as Error).message}`);
  }
}

async function outputOf(plugin: ExecPlugin, info: string, interactive: boolean): Promise<string> {
  const { command, args, installHint } = plugin;
  const shortage = shortageForProgram();
  if (shortage)
    throw new Error(`the exec plugin ${command} cannot be started: ${shortage.message}`);
  const child = spawn(command, args, {
    env: { ...process.env, ...plugin.env, KUBERNETES_EXEC_INFO: info },
    stdio: [interactive ? "inherit" : "ignore", "pipe", interactive ? "inherit" : "pipe"],
    ...(!interactive && { timeout: PATIENCE_MS, killSignal: "SIGKILL" }),
  });
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let output = "";
  let lastWords = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    if (output.length > MAX_OUTPUT) child.kill("SIGKILL");
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    lastWords = (lastWords + text).slice(-MAX_LAST_WORDS);
  });
  child.once("error", ({ code, message }: NodeJS.ErrnoException) => {
    const what = code === "ENOENT" ? "was not found" : `cannot be started: ${message}`;
    const hint = installHint === "" ? "" : `; ${installHint.trim()}`;
    reject(new Error(`the exec plugin ${command} ${what}${hint}`));
  });
  child.once("exit", (_, signal) => {
    if (signal === null) return;
    // Programs that it started may have its output open, and keep running.
    child.stdout?.destroy();
    child.stderr?.destroy();
  });
  child.once("close", (code, signal) => {
    if (code === 0) return resolve(output);
    const how = signal ? `was killed by ${signal}` : `exited with ${code}`;
    const late = signal && !interactive ? ` (time limit ${PATIENCE_MS / 1_000} s)` : "";
    const words = lastWords.trim() === "" ? "" : `: ${lastWords.trim()}`;
    reject(new Error(`the exec plugin ${command} ${how}${late}${words}`));
  });
  return promise;
}

function credentialFrom(apiVersion: string, output: string): ExecCredential {
  const json = recordOf(jsonFrom(output));
  if (json.kind !== "ExecCredential" || json.apiVersion !== apiVersion) {
    const given = `${shown(json.kind)} of ${shown(json.apiVersion)}`;
    throw new Error(`it prints ${given}; it must be an ExecCredential of ${apiVersion}`);
  }
  const status = recordOf(json.status);
  const token = textOf(status.token);
  const cert = textOf(status.clientCertificateData);
  const key = textOf(status.clientKeyData);
  if ((cert === "") !== (key === "")) throw new Error("it prints only one of certificate and key");
  if (token === "" && cert === "") throw new Error("it prints neither a token nor a certificate");
  const expiresAt = Date.parse(textOf(status.expirationTimestamp));
  return {
    token,
    certificate: cert === "" ? undefined : { cert, key },
    expiresAt: Number.isNaN(expiresAt) ? undefined : expiresAt,
  };
}

function jsonFrom(output: string): unknown {
  try {
    return JSON.parse(output);
  } catch {
    throw new Error("it does not print JSON");
  }
}
