// What a bench says at once to options that it cannot follow.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Command } from "commander";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connectionsCommand } from "./connections/command.ts";
import { firstLine } from "./first-line.ts";
import { healingCommand } from "./healing/command.ts";
import { latencyCommand } from "./latency/command.ts";
import { growthCommand } from "./latency/growth.ts";
import { manyCommand } from "./many/command.ts";
import { builtCheckout, builtCommand, writableFile } from "./options.ts";
import { tableCommand } from "./table/command.ts";
import { udpCommand } from "./udp/command.ts";

let directory = "";

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "portico-options-"));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

/** Resolves with nothing else: had it been accepted, the bench would run. */
function refusal(command: Command, ...args: string[]): Promise<unknown> {
  for (const each of [command, ...command.commands]) {
    each.exitOverride().configureOutput({ writeErr: () => {} });
  }
  command.action(() => {});
  return command.parseAsync(args, { from: "user" }).then(
    () => "none",
    ({ message }: Error) => message,
  );
}

function emptyFile(...path: string[]): void {
  const file = join(directory, ...path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, "");
}

it.each([
  ["table", tableCommand],
  ["connections", connectionsCommand],
  ["udp", udpCommand],
  ["latency", latencyCommand],
  ["many", manyCommand],
  ["healing", healingCommand],
])("%s refuses another format than JSON", async (_, command) => {
  expect(await refusal(command(), "-o", "xml")).toContain("Allowed choices are json");
  expect(await refusal(command(), "-o", "json")).toBe("none");
});

it.each(["bulk", "under-load"])("connections %s refuses the same", async (subcommand) => {
  expect(await refusal(connectionsCommand(), subcommand, "-o", "xml")).toContain("json");
});

it("refuses peers of the same name", async () => {
  expect(await refusal(connectionsCommand(), "--peers", "portico,envoy,portico")).toContain(
    'It has "portico" twice.',
  );
  expect(await refusal(connectionsCommand(), "--peers", "portico,envoy")).toBe("none");
});

it("refuses a checkout that is not there", async () => {
  expect(await refusal(manyCommand(), "--checkout", "a=/nonexistent")).toContain(
    "There is no directory /nonexistent.",
  );
});

it("refuses a command that is not there, and files that cannot be written", async () => {
  expect(await refusal(latencyCommand(), "--before", "/nonexistent")).toContain("no /nonexistent.");
  expect(await refusal(latencyCommand(), "--profile", "/nonexistent/x")).toContain("/nonexistent.");
  expect(await refusal(growthCommand(), "--svg", "/nonexistent/x")).toContain("/nonexistent.");
  expect(await refusal(manyCommand(), "--svg", "/nonexistent/x")).toContain("/nonexistent.");
});

describe("a checkout", () => {
  it("needs the bench, packages and the plugin", () => {
    expect(() => builtCheckout(directory)).toThrow("it is no checkout of Portico, or an old one");
    emptyFile("test/bench/connections/portico.ts");
    expect(() => builtCheckout(directory)).toThrow("run npm ci there");
    emptyFile("node_modules/x");
    expect(() => builtCheckout(directory)).toThrow("run npm run build there");
    emptyFile("build/portico.wasm");
    expect(builtCheckout(directory)).toBe(directory);
  });
});

describe("a built command", () => {
  it("needs its plugin next to it", () => {
    const command = join(directory, "build/portico");
    emptyFile("build/portico");
    expect(() => builtCommand(command)).toThrow(`There is no ${directory}/build/portico.wasm.`);
    emptyFile("build/portico.wasm");
    expect(builtCommand(command)).toBe(command);
    expect(() => builtCommand(directory)).toThrow("give the build/portico in it");
  });
});

describe("a file to be written", () => {
  it("may exist, and is no directory", () => {
    const file = join(directory, "plot.svg");
    expect(writableFile(file)).toBe(file);
    emptyFile("plot.svg");
    expect(writableFile(file)).toBe(file);
    expect(() => writableFile(directory)).toThrow("That is a directory.");
  });
});

it.each(["SIGINT", "SIGTERM"] as const)("leaves no folder behind after %s", async (signal) => {
  const scratch = new URL("./scratch.ts", import.meta.url).pathname;
  const program = `import { mkdtempSync } from "node:fs";
    import { tmpdir } from "node:os";
    import { keepTemporary } from "${scratch}";
    keepTemporary();
    mkdtempSync(tmpdir() + "/portico-bench-");
    console.log("ready");
    setInterval(() => {}, 1_000);`;
  const env = { ...process.env, TMPDIR: directory };
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", program], { env });
  await firstLine(child, "the bench");
  expect(readdirSync(directory)).toHaveLength(1);
  const closed = once(child, "close");
  child.kill(signal);
  expect(await closed).toEqual([1, null]);
  expect(readdirSync(directory)).toEqual([]);
});
