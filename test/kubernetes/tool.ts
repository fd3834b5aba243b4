// A folder with the go.mod of one tool → that tool, built once for each state of go.mod, go.sum
// and Go, in the cache directory, as test/cluster/build.ts does with the control plane.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cacheDirectory } from "../../envoy/find.ts";
import { installedGo, moveIntoPlace, runGo } from "../cluster/build.ts";

/** Path of the program `name`: the `tool` of the go.mod in the folder of that name beside this. */
export async function goTool(name: string): Promise<string> {
  const source = join(import.meta.dirname, name);
  const goMod = readFileSync(join(source, "go.mod"), "utf8");
  const goVersion = installedGo(line(goMod, "go"));
  const hash = createHash("sha256").update(`${goVersion}\0${goMod}\0`);
  hash.update(readFileSync(join(source, "go.sum")));
  const directory = join(cacheDirectory(process.env), name, hash.digest("hex").slice(0, 16));
  if (!existsSync(directory)) await buildInto(directory, source, line(goMod, "tool"));
  return join(directory, name);
}

function line(goMod: string, directive: string): string {
  const value = new RegExp(`^${directive} (\\S+)$`, "m").exec(goMod)?.[1];
  if (value === undefined) throw new Error(`no line "${directive} …" in:\n${goMod}`);
  return value;
}

async function buildInto(directory: string, source: string, tool: string): Promise<void> {
  console.error(`Building ${tool} into ${directory}, once.`);
  const partial = `${directory}.partial-${process.pid}`;
  mkdirSync(partial, { recursive: true });
  try {
    const flags = ["-p", "2", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w"];
    await runGo(source, ["build", ...flags, "-o", `${partial}/`, tool]);
    moveIntoPlace(partial, directory);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}
