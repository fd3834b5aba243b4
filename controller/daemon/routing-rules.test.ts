import { expect, it } from "vitest";
import { routingRuleProblems } from "./routing-rules.ts";

const CALICO = JSON.stringify([
  { priority: 0, src: "all", table: "local" },
  { priority: 99, not: null, src: "all", fwmark: "0x100000", fwmask: "0x100000", table: "1" },
]);

function said(rulePriority: number): Promise<string[]> {
  const run = (_: string, args: readonly string[]) =>
    Promise.resolve({ code: 0, stdout: args.includes("-4") ? CALICO : "", stderr: "" });
  return routingRuleProblems({ markBit: 0x1000, rulePriority }, run);
}

it("names rules that come before Portico's, and what to set", async () => {
  expect(await said(100)).toEqual([
    "a routing rule comes before Portico's, and may take the packets for Envoy: " +
      "IPv4 99 for all but mark 0x100000/0x100000 → 1; " +
      "give portico run --rule-priority 98, or leave that at its default, 1",
  ]);
  expect(await said(1)).toEqual([]);
});

it("says nothing when ip cannot be run", async () => {
  const run = () => Promise.reject(new Error("ENOENT"));
  expect(await routingRuleProblems({ markBit: 0x1000, rulePriority: 1 }, run)).toEqual([]);
});
