import { expect, it } from "vitest";
import { TestClock } from "../../test/stand-ins/test-clock.ts";
import type { RunProgram } from "../capture/program.ts";
import type { KernelWatch } from "../kernel-watch/kernel-watch.ts";
import {
  onRoutingRules,
  presentRoutingRuleProblems,
  RoutingRuleWatch,
  routingRuleProblems,
} from "./routing-rules.ts";

const CALICO = [
  { priority: 0, src: "all", table: "local" },
  { priority: 99, not: null, src: "all", fwmark: "0x100000", fwmask: "0x100000", table: "1" },
];
const OWN = {
  priority: 100,
  src: "all",
  fwmark: "0x1000",
  fwmask: "0x1000",
  table: "4100",
  protocol: "87",
};
const NAMED =
  "a routing rule precedes Portico's, and may take the packets for Envoy: " +
  "IPv4 99 for all but mark 0x100000/0x100000 → 1; " +
  "set portico run --rule-priority 98, or leave it at its default, 1";

/** Prints rules as a kernel without IPv6. */
function printing(rules: readonly object[]): RunProgram {
  return async (_, args) => {
    if (!args.includes("-4")) return { code: 2, stdout: "", stderr: "not supported" };
    return { code: 0, stdout: JSON.stringify(rules), stderr: "" };
  };
}

const failing: RunProgram = () => Promise.reject(new Error("spawn ip EMFILE"));

it("names rules that come before Portico's, and what to set", async () => {
  const said = (rulePriority: number) =>
    routingRuleProblems({ markBit: 0x1000, rulePriority }, printing(CALICO));
  expect(await said(100)).toEqual([NAMED]);
  expect(await said(1)).toEqual([]);
});

it("takes mark and priority from Portico's rule in the kernel, where it is there", async () => {
  expect(await presentRoutingRuleProblems(printing([...CALICO, OWN]))).toEqual([NAMED]);
  expect(await presentRoutingRuleProblems(printing([...CALICO, { ...OWN, priority: 1 }]))).toEqual(
    [],
  );
  expect(await presentRoutingRuleProblems(printing(CALICO))).toEqual([]);
});

it("says nothing when ip cannot be run for one family", async () => {
  const half: RunProgram = (program, args, input) =>
    args.includes("-6") ? failing(program, args, input) : printing(CALICO)(program, args, input);
  const own = { markBit: 0x1000, rulePriority: 100 };
  expect(await routingRuleProblems(own, half)).toBe(undefined);
});

it("says nothing when ip cannot be run", async () => {
  expect(await routingRuleProblems({ markBit: 0x1000, rulePriority: 100 }, failing)).toBe(
    undefined,
  );
  expect(await presentRoutingRuleProblems(failing)).toEqual([]);
});

it("keeps what it reported when it cannot look, and looks again later", async () => {
  const clock = new TestClock(0);
  const reported: (readonly string[])[] = [];
  let run = printing(CALICO);
  const watch = new RoutingRuleWatch({
    clock,
    watch: { listen: () => {} },
    own: { markBit: 0x1000, rulePriority: 100 },
    report: (messages) => reported.push(messages),
    run: (...asked) => run(...asked),
  });
  await watch.look();
  run = failing;
  await watch.look();
  expect(reported).toEqual([[NAMED]]);
  run = printing([]);
  expect(clock.fire(5_000)).toBe(true);
  await watch.look();
  expect(reported.at(-1)).toEqual([]);
  watch.stop();
  const before = reported.length;
  await watch.look();
  expect(reported).toHaveLength(before);
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
  say("missed", { of: "routing", why: "the watch started" });
  expect(looks).toBe(2);
  say("missed", { of: "nftables", why: "the watch started" });
  expect(looks).toBe(2);
});
