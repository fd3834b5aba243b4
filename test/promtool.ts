// Finds promtool: on PATH, in the cache, or in the Debian package of Prometheus, which is only
// unpacked: installed, it would start a server on whoever's machine this is.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cacheDirectory } from "../envoy/find.ts";
import { isInstalled } from "./demo/prerequisites.ts";
import { runCommand } from "./namespaces/command.ts";

const PACKAGE = "prometheus";
const APT_MS = 180_000;

/** A path. Rejects with what to do when it cannot be had. */
export async function findPromtool(): Promise<string> {
  if (isInstalled("promtool")) return "promtool";
  const cache = cacheDirectory(process.env);
  const cached = join(cache, "promtool");
  if (!existsSync(cached)) await unpack(cache, cached);
  return cached;
}

async function unpack(cache: string, target: string): Promise<void> {
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "promtool-"));
  try {
    const file = join(folder, await download(folder));
    await runCommand("dpkg-deb", ["--extract", file, folder], { timeoutMs: APT_MS });
    renameSync(join(folder, "usr/bin/promtool"), target);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Returns the name of the package's file. */
async function download(folder: string): Promise<string> {
  const get = (...args: string[]) =>
    runCommand("sh", ["-c", 'cd "$1" && shift && exec apt-get "$@"', "sh", folder, ...args], {
      allowFailure: true,
      timeoutMs: APT_MS,
    });
  let { code, stderr } = await get("download", PACKAGE);
  if (code !== 0) {
    // The usual reason on a fresh machine: it has never loaded the lists of packages.
    await get("-o", "DPkg::Lock::Timeout=300", "update");
    ({ code, stderr } = await get("download", PACKAGE));
  }
  const file = readdirSync(folder).find((name) => name.endsWith(".deb"));
  if (code === 0 && file !== undefined) return file;
  throw new Error(`promtool is missing: put it on PATH. apt-get download ${PACKAGE}: ${stderr}`);
}
