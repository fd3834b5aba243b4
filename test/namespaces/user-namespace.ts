// Rights over network namespaces for somebody who is not root: the program runs once more inside a
// user namespace, where it is. It gets a network namespace and a /run of its own, so that nothing
// outside is seen or touched, and everything vanishes with its last process.
//
// As a program: `node test/namespaces/user-namespace.ts COMMAND ARGUMENTS…` runs a command that
// way (as root: as it is), for instance `vitest run --project real`.

import { type ChildProcess, spawn } from "node:child_process";
import { geteuid } from "node:process";

const INSIDE = "PORTICO_USER_NAMESPACE";

/**
 * Call it first thing in a program that makes namespaces. Returns at once when the process may make
 * them; otherwise runs the same program inside a user namespace and ends with its exit code.
 */
export async function reexecInUserNamespace(): Promise<void> {
  if (geteuid?.() === 0 || process.env[INSIDE] !== undefined) return;
  process.exit(await runInUserNamespace([process.execPath, ...process.argv.slice(1)]));
}

/** Runs a command inside a user namespace; returns its exit code. */
async function runInUserNamespace(command: readonly string[]): Promise<number> {
  const setUp = 'mount -t tmpfs tmpfs /run && mkdir /run/netns && exec "$@"';
  return await exitCode(
    spawn(
      "unshare",
      ["--user", "--net", "--mount", "--map-root-user", "sh", "-c", setUp, "sh", ...command],
      { stdio: "inherit", env: { ...process.env, [INSIDE]: "1" } },
    ),
  );
}

function exitCode(child: ChildProcess): Promise<number> {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => child.kill(signal));
  }
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(signal === null ? (code ?? 1) : 1));
  });
}

if (import.meta.main) {
  const [program, ...args] = process.argv.slice(2);
  if (program === undefined) throw new Error("usage: user-namespace.ts COMMAND ARGUMENTS…");
  const code =
    geteuid?.() === 0
      ? await exitCode(spawn(program, args, { stdio: "inherit" }))
      : await runInUserNamespace([program, ...args]);
  process.exit(code);
}
