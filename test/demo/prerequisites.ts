// What the demo needs of the machine: programs, installed through apt where they are missing and
// that is permitted, and the right to make network namespaces. Whatever cannot be had is said in
// one clear message.

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { geteuid } from "node:process";
import { type CommandResult, runCommand } from "../namespaces/command.ts";

/** Programs → the packages that have them, by their names in Debian and Ubuntu. */
const PROGRAMS: Record<string, string> = {
  ip: "iproute2",
  nft: "nftables",
  nsenter: "util-linux",
  setpriv: "util-linux",
  unshare: "util-linux",
};
/** Where they are although the PATH of somebody who is not root often lacks it. */
const SYSTEM_DIRECTORIES = ["/usr/local/sbin", "/usr/sbin", "/sbin"];
const APT_MS = 180_000;

/** The demo cannot run here; the message says what to do about it. */
export class MissingPrerequisite extends Error {
  override readonly name = "MissingPrerequisite";
}

/**
 * Makes sure that the programs are there and that namespaces can be made; throws
 * MissingPrerequisite otherwise. Extends this process's PATH. `say` hears of installations.
 */
export async function preparePrerequisites(say: (line: string) => void): Promise<void> {
  process.env.PATH = [process.env.PATH ?? "", ...SYSTEM_DIRECTORIES].join(delimiter);
  await preparePrograms(say);
  await requireNamespaces();
}

/** The same for programs alone: each with the package that has it. */
export async function preparePrograms(
  say: (line: string) => void,
  programs: Readonly<Record<string, string>> = PROGRAMS,
): Promise<void> {
  const missing = missingPrograms(programs);
  if (missing.length === 0) return;
  const packages = packagesOf(missing, programs);
  if (!isRoot() || !isInstalled("apt-get")) throw howToInstall(missing, packages, "");
  say(`demo: installing ${packages.join(" and ")} with apt-get`);
  const failure = await installPackages(packages);
  const still = missingPrograms(programs);
  if (still.length > 0) throw howToInstall(still, packagesOf(still, programs), failure);
}

/** Returns what apt-get said when it failed, or nothing. */
async function installPackages(packages: readonly string[]): Promise<string> {
  const install = ["install", "--yes", "--no-install-recommends", ...packages];
  const first = await aptGet(install);
  if (first.code === 0) return "";
  // The usual reason on a fresh machine: it has never loaded the lists of packages.
  await aptGet(["update"]);
  const second = await aptGet(install);
  return second.code === 0 ? "" : lastLine(second);
}

function aptGet(args: readonly string[]): Promise<CommandResult> {
  return runCommand("apt-get", args, {
    allowFailure: true,
    timeoutMs: APT_MS,
    env: { DEBIAN_FRONTEND: "noninteractive" },
  });
}

function howToInstall(
  missing: readonly string[],
  packageList: readonly string[],
  failure: string,
): MissingPrerequisite {
  const packages = packageList.join(" ");
  const why = failure === "" ? "" : ` apt-get said: ${failure}.`;
  return new MissingPrerequisite(
    `${missing.join(", ")} missing on this machine.${why} ` +
      `Install ${packages} (Debian, Ubuntu: sudo apt-get install ${packages}) and run this again`,
  );
}

function missingPrograms(programs: Readonly<Record<string, string>>): string[] {
  return Object.keys(programs).filter((program) => !isInstalled(program));
}

function packagesOf(
  missing: readonly string[],
  programs: Readonly<Record<string, string>>,
): string[] {
  return [...new Set(missing.map((program) => programs[program] ?? program))];
}

/** Whether the program is on PATH. */
export function isInstalled(program: string): boolean {
  const directories = (process.env.PATH ?? "").split(delimiter).filter((path) => path !== "");
  return directories.some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Tries it: the same namespaces as will be made, for a program that does nothing. */
async function requireNamespaces(): Promise<void> {
  const kinds = isRoot() ? [] : ["--user", "--map-root-user"];
  const args = [...kinds, "--net", "--mount", "true"];
  const tried = await runCommand("unshare", args, { allowFailure: true });
  if (tried.code === 0) return;
  throw new MissingPrerequisite(
    isRoot()
      ? `root may not make network namespaces here (${lastLine(tried)}). In a container, give it ` +
          "the capabilities SYS_ADMIN and NET_ADMIN (docker run --privileged)"
      : `this system lets only root make network namespaces (${lastLine(tried)}). ` +
          "Run the demo as root: sudo npm run demo",
  );
}

function lastLine({ stdout, stderr }: CommandResult): string {
  return (stderr.trim() || stdout.trim()).split("\n").at(-1) ?? "";
}

function isRoot(): boolean {
  return geteuid?.() === 0;
}
