import { expect, it } from "vitest";
import type { KernelWatch } from "../kernel-watch/kernel-watch.ts";
import { onRoutingRules, routingRuleProblems } from "./routing-rules.ts";

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

it("has rules looked at again after they changed, or may have", () => {
  const listeners = new Map<string, (event: never) => void>();
  const listen: KernelWatch["listen"] = (kind, listener) => void listeners.set(kind, listener);
  let looks = 0;
  const after = (_: number, act: () => void) => {
    act();
    return () => {};
  };
  onRoutingRules({ listen }, { now: () => 0, after }, () => {
    looks += 1;
  });
  const say = (kind: string, event: object) => listeners.get(kind)?.(event as never);
  say("rule", { kind: "rule", isRemoval: false, text: "1: from all lookup 7" });
  expect(looks).toBe(1);
  say("missed", { of: "routing", why: "the watch began" });
  expect(looks).toBe(2);
  say("missed", { of: "nftables", why: "the watch began" });
  expect(looks).toBe(2);
});
