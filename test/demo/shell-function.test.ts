import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";
import { shellFunction } from "./shell-function.ts";

it.each([
  ["services", "services --run-dir /run/demo"],
  ["plugin status -o json", "plugin status -o json --run-dir /run/demo"],
  ["explain 'a b'", "explain a b --run-dir /run/demo"],
  ["check", "check"],
  ["--help", "--help"],
])("runs portico %s on the demo's node", (typed, asked) => {
  const script = `ip() { echo ip "$*"; }\n${shellFunction("node-1", ["node", "p"], "/run/demo")}
    portico ${typed}`;
  const printed = execFileSync("sh", ["-c", script], { encoding: "utf8" });
  expect(printed.trim()).toBe(`ip netns exec node-1 node p ${asked}`);
});
