// What the built command does when its output cannot be written, or Node is too old.

import { spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";

const PORTICO = join(import.meta.dirname, "../build/portico");

/** Commands that print, and ask nothing of the node. */
const PRINTING = [["version"], ["doctor", "--codes"], ["bootstrap", "--run-dir", "/tmp"]];

/** Of modules of Node's own. */
const IMPORTS = /\bimport\b[^;]{0,999}"node:[^"]+";/g;
/** The way to them that is left: a module, or an empty one. */
const MODULES = /\bgetBuiltinModule\S{0,99}?;/g;

vi.setConfig({ testTimeout: 60_000 });

interface Ended {
  status: number | null;
  stderr: string;
}

/** Its output goes to a pipe that has no reader any more. */
function intoClosedPipe(args: readonly string[]): Ended {
  // bash: the reader has ended when the command starts.
  const script = 'exec 3> >(exec true); wait $!; exec "$@" >&3';
  return ended(spawnSync("bash", ["-c", script, "bash", process.execPath, PORTICO, ...args]));
}

function intoFullDisk(args: readonly string[]): Ended {
  const full = openSync("/dev/full", "w");
  try {
    const stdio: ["ignore", number, "pipe"] = ["ignore", full, "pipe"];
    return ended(spawnSync(process.execPath, [PORTICO, ...args], { stdio }));
  } finally {
    closeSync(full);
  }
}

function ended({ status, stderr }: { status: number | null; stderr: Buffer }): Ended {
  return { status, stderr: stderr.toString() };
}

describe.each(PRINTING.map((args) => [args.join(" "), args] as const))("portico %s", (_, args) => {
  it("ends quietly when nothing reads its output", () => {
    expect(intoClosedPipe(args)).toEqual({ status: 141, stderr: "" });
  });

  it("says in a line that its output cannot be written", () => {
    const { status, stderr } = intoFullDisk(args);
    expect(stderr).toMatch(/^portico: the output could not be written: ENOSPC.*\n$/);
    expect(status).toBe(1);
  });
});

it.each([["--help"], ["run", "--help"]])("ends quietly when nothing reads the help", (...args) => {
  expect(intoClosedPipe(args).stderr).toBe("");
});

describe("when nothing reads its errors", () => {
  const withoutErrors = (args: readonly string[], nodeOptions: readonly string[] = []) => {
    const script = 'exec 3> >(exec true); wait $!; exec "$@" 2>&3';
    const command = [process.execPath, ...nodeOptions, PORTICO, ...args];
    const { status, stdout } = spawnSync("bash", ["-c", script, "bash", ...command]);
    return { status, stdout: stdout.toString() };
  };

  it("ends quietly", () => {
    const ended = withoutErrors(["services", "--run-dir", "/none"]);
    expect(ended).toEqual({ status: 1, stdout: "" });
  });

  it("does not end for a warning of Node's, as `portico run` may not", () => {
    // The warning is written as soon as what the command prints is.
    const warn = "process.stdout.write=(write=>(...a)=>(process.emitWarning('w'),write(...a)))";
    const script = `data:text/javascript,${warn}(process.stdout.write.bind(process.stdout))`;
    const { status, stdout } = withoutErrors(["version"], ["--import", script]);
    expect(stdout).toMatch(/^portico /);
    expect(status).toBe(0);
  });
});

describe("a Node that is too old", () => {
  it("is named in one line", () => {
    const older = 'Object.defineProperty(process, "versions", { value: { node: "20.20.2" } });';
    const args = ["--import", `data:text/javascript,${older}`, PORTICO, "version"];
    const { status, stderr } = ended(spawnSync(process.execPath, args));
    expect(stderr).toMatch(/^portico: needs Node 24, and `node` is .*\n$/);
    expect(status).toBe(1);
  });

  it("comes as far as that, whichever names its modules lack", () => {
    const text = readFileSync(PORTICO, "utf8");
    expect(text.match(IMPORTS) ?? []).toEqual([]);
    const modules = text.match(MODULES) ?? [];
    expect(modules.length).toBeGreaterThan(10);
    expect(modules.filter((each) => !each.endsWith("??{};"))).toEqual([]);
  });
});
