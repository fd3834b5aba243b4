// A binary → its version of Envoy, and whether that is new enough.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { versionFrom } from "./admin.ts";

/** Older ones are untested: they may lack what the configuration needs. */
const OLDEST_VERSION = "1.40.0";

const PATIENCE_MS = 10_000;

/** The binary is an Envoy that Portico does not work with. */
class EnvoyTooOldError extends Error {
  readonly code = "envoy-too-old";
  override readonly name = "EnvoyTooOldError";
}

/** Returns undefined when it does not report one: it is not an Envoy, or does not run here. */
export async function envoyVersion(binary: string): Promise<string | undefined> {
  const asked = promisify(execFile)(binary, ["--version"], { timeout: PATIENCE_MS });
  const { stdout } = await asked.catch(() => ({ stdout: "" }));
  return versionFrom(stdout);
}

/**
 * Returns a message about `who`, a binary or a place; undefined when it is new enough. An unknown
 * version passes, and is known once it starts.
 */
export function tooOld(version: string | undefined, who: string): string | undefined {
  if (version === undefined || isAtLeast(version, OLDEST_VERSION)) return undefined;
  return `${who} is Envoy ${version}, and Portico needs ${OLDEST_VERSION} or newer`;
}

/** Throws EnvoyTooOldError. */
export function refuseOldEnvoy(version: string | undefined, binary: string): void {
  const refusal = tooOld(version, binary);
  if (refusal === undefined) return;
  const advice = "set ENVOY to the path of a newer one, or put one first on PATH";
  throw new EnvoyTooOldError(`${refusal}: ${advice}`);
}

function isAtLeast(version: string, least: string): boolean {
  const [parts, others] = [version, least].map((text) => text.split(".").map(Number));
  for (const [index, other] of (others ?? []).entries()) {
    const part = parts?.[index] ?? 0;
    if (part !== other) return part > other;
  }
  return true;
}
