// test/cluster/go.mod and the mains beside it → the programs of a Kubernetes control plane, in the
// cache directory. Builds once for each state of those files and of Go; does not start anything.

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cacheDirectory } from "../../envoy/find.ts";

const SOURCE_DIR = import.meta.dirname;

// To add a program: a folder beside this file with its main.go, its name here, and `go mod tidy`.
const PROGRAMS = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-proxy"] as const;
export type Program = (typeof PROGRAMS)[number];

/** Where each program is; absolute paths. */
export type Programs = Record<Program, string>;

/**
 * The programs of the control plane, built when the cache has none of this state.
 * `tell` gets what is worth telling somebody who waits. Throws with what to do about it when Go is
 * missing, too old, or fails.
 */
export async function buildControlPlane(tell: (line: string) => void): Promise<Programs> {
  const goMod = readFileSync(join(SOURCE_DIR, "go.mod"), "utf8");
  const goVersion = installedGo(directive(goMod, /^go (\S+)$/m));
  const directory = join(cacheDirectory(process.env), "control-plane", stateHash(goMod, goVersion));
  if (!existsSync(directory)) await buildInto(directory, goMod, goVersion, tell);
  return Object.fromEntries(PROGRAMS.map((name) => [name, join(directory, name)])) as Programs;
}

function directive(goMod: string, pattern: RegExp): string {
  const value = pattern.exec(goMod)?.[1];
  if (value === undefined) throw new Error(`test/cluster/go.mod: nothing matches ${pattern}`);
  return value;
}

/** The installed Go's version ("go1.26.8"), at least `needed` ("1.26.0"). */
export function installedGo(needed: string): string {
  const { status, stdout } = spawnSync("go", ["env", "GOVERSION"], {
    cwd: "/",
    encoding: "utf8",
  });
  const toInstall = `Install Go ${needed} or newer (go.dev/dl) and put its bin folder on PATH.`;
  if (status !== 0) {
    throw new Error(`The cluster tests build Kubernetes with Go, and there is none. ${toInstall}`);
  }
  const found = stdout.trim();
  if (isOlder(found.replace(/^go/, ""), needed)) {
    throw new Error(`The cluster tests need Go ${needed}, and this is ${found}. ${toInstall}`);
  }
  return found;
}

function isOlder(version: string, other: string): boolean {
  const numbers = (text: string) => text.split(/[^0-9]+/).map(Number);
  const [left, right] = [numbers(version), numbers(other)];
  for (const [index, number] of right.entries()) {
    const difference = (left[index] ?? 0) - number;
    if (difference !== 0) return difference < 0;
  }
  return false;
}

function stateHash(goMod: string, goVersion: string): string {
  const hash = createHash("sha256").update(`${goVersion}\0${buildFlags(goMod).join(" ")}\0`);
  const mains = PROGRAMS.map((program) => join(program, "main.go"));
  for (const file of ["go.mod", "go.sum", ...mains]) {
    hash.update(`${file}\0`).update(readFileSync(join(SOURCE_DIR, file)));
  }
  return hash.digest("hex").slice(0, 16);
}

/** Stripped, and with the version that a release build of Kubernetes would report. */
function buildFlags(goMod: string): string[] {
  const version = directive(goMod, /^\tk8s\.io\/kubernetes (v\S+)$/m);
  const [major, minor] = version.slice(1).split(".");
  const facts = { gitVersion: version, gitMajor: major, gitMinor: minor, gitTreeState: "clean" };
  const stamps = Object.entries(facts).map(
    ([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`,
  );
  const ldflags = ["-s", "-w", ...stamps].join(" ");
  return ["-p", "2", "-trimpath", "-buildvcs=false", "-ldflags", ldflags];
}

async function buildInto(
  directory: string,
  goMod: string,
  goVersion: string,
  tell: (line: string) => void,
): Promise<void> {
  tell(`Building ${PROGRAMS.join(", ")} with ${goVersion} into ${directory}.`);
  tell("This happens once and takes 4 to 10 minutes on two cores; nothing else is printed.");
  const partial = `${directory}.partial-${process.pid}`;
  mkdirSync(partial, { recursive: true });
  try {
    const packages = PROGRAMS.map((program) => `./${program}`);
    await runGo(SOURCE_DIR, ["build", ...buildFlags(goMod), "-o", `${partial}/`, ...packages]);
    moveIntoPlace(partial, directory);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

/** Runs go in the folder of a module; its output is passed on. Throws when it fails. */
export async function runGo(directory: string, parameters: readonly string[]): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const child = spawn("go", [...parameters], {
    cwd: directory,
    env: { ...process.env, CGO_ENABLED: "0", GOWORK: "off" },
    stdio: ["ignore", "inherit", "inherit"],
  });
  child.once("error", reject);
  child.once("exit", (code, signal) => {
    if (code === 0) return resolve();
    reject(
      new Error(`go ${parameters[0]} in ${directory} ended with ${signal ?? code}, see above`),
    );
  });
  await promise;
}

/** Another build of the same state may have been faster; then its result stays. */
export function moveIntoPlace(partial: string, directory: string): void {
  try {
    renameSync(partial, directory);
  } catch (error) {
    if (!existsSync(directory)) throw error;
  }
}

if (import.meta.main) {
  const programs = await buildControlPlane((line) => console.error(line));
  console.log(Object.values(programs).join("\n"));
}
