import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, expect, it } from "vitest";
import { addFlowLogOptions, type FlowLogFlags, flowLogFromFlags } from "./flow-log-options.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "portico-flows-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function parse(...args: string[]) {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  addFlowLogOptions(command);
  return flowLogFromFlags(command.parse(args, { from: "user" }).opts<FlowLogFlags>());
}

it("logs nothing by default, everything where only a file is given", () => {
  expect(parse()).toBeUndefined();
  expect(parse("--flow-log", "-")).toEqual({ file: "-", sample: 1, services: [] });
});

it("takes a sample of the connections to some Services", () => {
  const file = join(folder, "flows.log");
  const sampled = ["--flow-log-sample", "0.01", "--flow-log-services", "shop/web, shop/api"];
  expect(parse("--flow-log", file, ...sampled)).toEqual({
    file,
    sample: 0.01,
    services: ["shop/web", "shop/api"],
  });
});

it.each([
  [["--flow-log-sample", "0.1"], "without --flow-log"],
  [["--flow-log", "-", "--flow-log-sample", "0"], "from 0.000001 to 1"],
  [["--flow-log", "-", "--flow-log-sample", "1%"], "from 0.000001 to 1"],
  [["--flow-log", "-", "--flow-log-services", "web"], '"web" is not a namespace/name'],
  [["--flow-log", "-", "--flow-log-services", 'a/b",x/"'], "is not a namespace/name"],
  [["--flow-log", "/nowhere/at/all.log"], "Cannot write there: "],
  [["--flow-log", tmpdir()], "is a directory"],
])("refuses %j", (args, reason) => {
  expect(() => parse(...args)).toThrow(reason);
});
