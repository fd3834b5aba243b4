import { expect, it } from "vitest";
import { TestClock } from "../../test/stand-ins/test-clock.ts";
import type { IPFamily } from "../model/types.ts";
import { forwardingProblems, PolicyHookWatch } from "./policy-hook-watch.ts";

const BOTH: readonly IPFamily[] = ["IPv4", "IPv6"];

it("names the family that the node does not forward, and what to set", () => {
  expect(forwardingProblems({ families: BOTH, isLoose: true }, BOTH)).toEqual([]);
  expect(forwardingProblems({ families: ["IPv6"], isLoose: true }, ["IPv6"])).toEqual([]);
  const [problem, ...more] = forwardingProblems({ families: ["IPv4"], isLoose: true }, BOTH);
  expect(problem).toMatch(/Envoy's IPv6 connections .*: set net\.ipv6\.conf\.all\.forwarding=1$/);
  expect(more).toEqual([]);
});

it("names a reverse path filter that nobody lets it change", () => {
  const problems = forwardingProblems({ families: BOTH, isLoose: false }, BOTH);
  expect(problems).toEqual([expect.stringMatching(/portico1\.rp_filter=2/)]);
});

it("reports what changes, and has a setting that changes synced", async () => {
  const listeners: ((event: { path: string }) => void)[] = [];
  const [reports, watched]: [(readonly string[])[], string[]] = [[], []];
  let families = BOTH;
  let requests = 0;
  const watch = new PolicyHookWatch({
    watch: {
      listen: (_, listener) => void listeners.push(listener as never),
      watchSetting: (path) => void watched.push(path),
    },
    clock: new TestClock(),
    policyHook: "forward",
    families: BOTH,
    requestFull: () => requests++,
    report: (messages) => void reports.push(messages),
    read: async () => ({ families, isLoose: true }),
  });
  await watch.look();
  families = ["IPv4"];
  await watch.look();
  await watch.look();
  families = BOTH;
  await watch.look();
  expect(reports).toEqual([[expect.stringContaining("IPv6")], []]);
  for (const path of ["/proc/sys/net/ipv4/ip_forward", "/proc/sys/other"]) {
    for (const listener of listeners) listener({ path });
  }
  expect(watched).toHaveLength(2);
  expect(requests).toBe(1);
});

it("keeps what it reported when it cannot read, and looks again a little later", async () => {
  const clock = new TestClock(0);
  const reports: (readonly string[])[] = [];
  let present: { families: readonly IPFamily[]; isLoose: boolean } | undefined;
  const watch = new PolicyHookWatch({
    watch: { listen: () => {}, watchSetting: () => {} },
    clock,
    policyHook: "forward",
    families: BOTH,
    requestFull: () => {},
    report: (messages) => void reports.push(messages),
    read: async () => {
      if (!present) throw new Error("spawn ip EMFILE");
      return present;
    },
  });
  await watch.look();
  expect(reports).toEqual([]);
  present = { families: ["IPv4"], isLoose: true };
  expect(clock.fire(5_000)).toBe(true);
  await watch.look();
  expect(reports).toEqual([[expect.stringContaining("IPv6")]]);
  watch.stop();
  present = { families: BOTH, isLoose: true };
  await watch.look();
  expect(reports).toHaveLength(1);
});

it("reports what it cannot find out in three looks, until it can", async () => {
  const reports: (readonly string[])[] = [];
  let isReadable = false;
  const watch = new PolicyHookWatch({
    watch: { listen: () => {}, watchSetting: () => {} },
    clock: new TestClock(0),
    policyHook: "forward",
    families: BOTH,
    requestFull: () => {},
    report: (messages) => void reports.push(messages),
    read: async () => {
      if (!isReadable) throw new Error("ip -j address show: Operation not permitted\n");
      return { families: BOTH, isLoose: true };
    },
  });
  for (let looks = 0; looks < 2; looks++) await watch.look();
  expect(reports).toEqual([]);
  for (let looks = 0; looks < 2; looks++) await watch.look();
  expect(reports).toEqual([[expect.stringMatching(/not known .*: Operation not permitted$/)]]);
  isReadable = true;
  await watch.look();
  expect(reports.slice(1)).toEqual([[]]);
});
