import { expect, test } from "vitest";
import { ALL_CASES } from "./cases.ts";
import { NaivePicker } from "./naive.ts";
import { runCases } from "./run.ts";
import { LISTENING_PORTS, PODS_OF_NODE, podAddress } from "./topology.ts";

runCases("naive", "the naive picker", () => new NaivePicker());

test("every case has a name of its own, and there are enough of them", () => {
  const names = ALL_CASES.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThanOrEqual(40);
});

test("every backend of a case is a Pod of the topology, on a port where it listens", () => {
  const pods = Object.values(PODS_OF_NODE).flat();
  const known = pods.flatMap((pod) =>
    LISTENING_PORTS.flatMap((port) => [
      `${podAddress(pod)}:${port}`,
      `[${podAddress(pod, "IPv6")}]:${port}`,
    ]),
  );
  const steps = ALL_CASES.flatMap((each) => [each, ...(each.later ?? [])]);
  const backends = steps
    .flatMap(({ connections }) => connections)
    .flatMap(({ expect: expected }) => (typeof expected === "string" ? [] : expected.backends));
  expect(backends.filter((backend) => !known.includes(backend))).toEqual([]);
});
