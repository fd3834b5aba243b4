// kubectl's plugin, installed as deploy/kubectl-portico says: that file and the bundle, alone in a
// folder of programs.

import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "..");
const PROGRAMS = join(ROOT, "node_modules/.bin");

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "kubectl-plugin-"));
  const bundle = join(folder, "portico");
  const bundled = ["--config", "rolldown.config.js", "--file", bundle];
  execFileSync(join(PROGRAMS, "rolldown"), bundled, { cwd: ROOT, stdio: "ignore" });
  chmodSync(bundle, 0o755);
  copyFileSync(join(ROOT, "deploy/kubectl-portico"), join(folder, "kubectl-portico"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function kubectlPortico(...args: string[]): string {
  const path = [dirname(process.execPath), process.env.PATH].join(delimiter);
  const env = { ...process.env, PATH: path };
  const options = { cwd: folder, env, encoding: "utf8" } as const;
  return execFileSync(join(folder, "kubectl-portico"), args, options);
}

it("finds what is wrong without the rest of the package", () => {
  const manifests = join(ROOT, "deploy/demo");
  const printed = kubectlPortico("doctor", "--manifests", manifests, "--run-dir", folder);
  expect(printed).toMatch(/^3 Services: 0 with errors/);
});

it("knows its version", () => {
  expect(kubectlPortico("version")).toMatch(/^portico \d+\.\d+\.\d+ \(Node /);
});
