import { expect, it } from "vitest";
import type { BridgeCalls } from "../capture/bridge-facts.ts";
import { BridgeWatch } from "./bridge-watch.ts";

it("reports each change of a sysctl once, br_netfilter that comes, and problems", async () => {
  let calls: BridgeCalls;
  let changes = 0;
  let due = () => {};
  const reported: string[][] = [];
  const watch = new BridgeWatch({
    clock: {
      now: () => 0,
      after: (_, callback) => {
        due = callback;
        return () => {
          due = () => {};
        };
      },
    },
    read: async () => calls,
    problemsOf: async (present) => (present?.IPv4 ? ["in the way"] : []),
    report: (problems) => reported.push(problems),
    changed: () => {
      changes += 1;
    },
  });
  const becomes = async (next: BridgeCalls) => {
    calls = next;
    await due();
    return changes;
  };
  await watch.start();
  expect(await becomes(undefined)).toBe(0);
  expect(await becomes({ IPv4: true, IPv6: true })).toBe(1);
  expect(await becomes({ IPv4: true, IPv6: true })).toBe(1);
  expect(await becomes({ IPv4: true, IPv6: false })).toBe(2);
  expect(await becomes(undefined)).toBe(3);
  expect(reported).toEqual([[], ["in the way"], ["in the way"], []]);
  watch.stop();
  expect(await becomes({ IPv4: true, IPv6: true })).toBe(3);
});
