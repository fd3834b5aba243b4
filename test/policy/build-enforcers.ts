// test/policy/enforcers/NAME/go.mod → that enforcer's program, in the cache directory, built once
// for each state of that file and of Go. Fetches Go modules the first time.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { cacheDirectory } from "../../envoy/find.ts";
import { installedGo } from "../cluster/build.ts";

const PACKAGES = {
  "kube-router": "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router",
  "kube-network-policies": "sigs.k8s.io/kube-network-policies/cmd",
} as const;
type EnforcerProgram = keyof typeof PACKAGES;
export const ENFORCER_PROGRAMS = Object.keys(PACKAGES) as EnforcerProgram[];

const BUILD_MS = 40 * 60_000;

/** Returns the program's path. Throws with what Go said when it cannot be built. */
export async function buildEnforcer(
  name: EnforcerProgram,
  tell: (line: string) => void,
): Promise<string> {
  const source = join(import.meta.dirname, "enforcers", name);
  const hash = createHash("sha256").update(`${installedGo("1.26.0")}\0`);
  for (const file of ["go.mod", "go.sum"]) hash.update(readFileSync(join(source, file)));
  const program = join(cacheDirectory(process.env), name, hash.digest("hex").slice(0, 16), name);
  if (existsSync(program)) return program;
  mkdirSync(join(program, ".."), { recursive: true });
  tell(`policy: building ${name} from its Go modules, which takes some minutes`);
  const unfinished = `${program}.${process.pid}`;
  const args = ["build", "-trimpath", "-ldflags", "-s -w", "-o", unfinished, PACKAGES[name]];
  const env = { ...process.env, GOFLAGS: "-mod=mod" };
  const { status, stderr } = spawnSync("go", args, {
    cwd: source,
    env,
    encoding: "utf8",
    timeout: BUILD_MS,
  });
  if (status !== 0) throw new Error(`go ${args.join(" ")} in ${source}: ${stderr}`);
  renameSync(unfinished, program);
  return program;
}
