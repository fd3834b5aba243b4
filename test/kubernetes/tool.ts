// Go modules that the tests use beside those of the control plane, each a folder here with its
// go.mod and go.sum: tools, built as test/cluster/build.ts builds, and files of a module.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cacheDirectory } from "../../envoy/find.ts";
import { installedGo, moveIntoPlace, runGo } from "../cluster/build.ts";
import { runCommand } from "../namespaces/command.ts";

const DOWNLOAD_MS = 300_000;

/** Path of the program `name`, the one `tool` of the go.mod in the folder of that name. */
export async function goTool(name: string): Promise<string> {
  return join(await goTools(name), name);
}

/**
 * The directory with every `tool` of the go.mod in the folder `name`: built once for each state of
 * that folder and of Go.
 */
export async function goTools(name: string): Promise<string> {
  const { folder, goMod, goVersion } = moduleIn(name);
  const hash = createHash("sha256").update(`${goVersion}\0${goMod}\0`);
  hash.update(readFileSync(join(folder, "go.sum")));
  const directory = join(cacheDirectory(process.env), name, hash.digest("hex").slice(0, 16));
  if (!existsSync(directory)) await buildInto(directory, folder);
  return directory;
}

/** Where the files of the one module are that the go.mod in this folder requires. */
export async function goModule(name: string): Promise<string> {
  const { folder, goMod } = moduleIn(name);
  const parameters = ["-C", folder, "mod", "download", "-json", line(goMod, "require")];
  const { stdout } = await runCommand("go", parameters, { timeoutMs: DOWNLOAD_MS });
  return (JSON.parse(stdout) as { Dir: string }).Dir;
}

function moduleIn(name: string): { folder: string; goMod: string; goVersion: string } {
  const folder = join(import.meta.dirname, name);
  const goMod = readFileSync(join(folder, "go.mod"), "utf8");
  return { folder, goMod, goVersion: installedGo(line(goMod, "go")) };
}

/** The first word after a directive of go.mod. */
function line(goMod: string, directive: string): string {
  const value = new RegExp(`^${directive} ([^\\s(]+)`, "m").exec(goMod)?.[1];
  if (value === undefined) throw new Error(`no line "${directive} …" in:\n${goMod}`);
  return value;
}

async function buildInto(directory: string, folder: string): Promise<void> {
  console.error(`Building the tools of ${folder} into ${directory}, once.`);
  const partial = `${directory}.partial-${process.pid}`;
  mkdirSync(partial, { recursive: true });
  try {
    const flags = ["-p", "2", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w"];
    await runGo(folder, ["build", ...flags, "-o", `${partial}/`, "tool"]);
    moveIntoPlace(partial, directory);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}
