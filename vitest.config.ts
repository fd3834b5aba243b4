import { defineConfig } from "vitest/config";

// unit: no process, no network. wasm: the built plugin in the fake host; a test of these two that
// asserts nothing fails. real: Envoy, nftables and namespaces. cluster: a real Kubernetes control
// plane. compose: containers. page: the live page in a browser. parity: the same states with a
// running kube-proxy. campaign: faults drawn from a seed, never tried again. All but the first two
// own the machine's time. On CI a test of the real thing is tried once more before it counts as
// failed, and reported as retried: the machine is shared, and late is not wrong.
const retry = process.env.CI ? 1 : 0;

export default defineConfig({
  test: {
    // By default one core is left alone: one of two.
    maxWorkers: "100%",
    projects: [
      {
        test: {
          name: "unit",
          expect: { requireAssertions: true },
          // Of properties on a busy machine.
          testTimeout: 30_000,
          include: [
            "{controller,envoy}/**/*.test.ts",
            "test/*.test.ts",
            "test/{cases,demo,bench,shapes}/*.test.ts",
            "test/campaign/plan.test.ts",
            "test/policy/{pod-chains,resolved}.test.ts",
          ],
        },
      },
      {
        test: {
          name: "wasm",
          include: ["test/{wasm,plugin,functions}/*.test.ts"],
          expect: { requireAssertions: true },
          testTimeout: 180_000,
        },
      },
      {
        test: {
          name: "real",
          include: ["test/real/*.test.ts"],
          globalSetup: "test/real/setup.ts",
          retry,
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: "cluster",
          include: ["test/{cluster,kubernetes,migration}/*.test.ts"],
          globalSetup: "test/real/setup.ts",
          retry,
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: "compose",
          include: ["test/compose/*.test.ts"],
          globalSetup: "test/real/setup.ts",
          retry,
          fileParallelism: false,
          testTimeout: 600_000,
          hookTimeout: 900_000,
        },
      },
      {
        test: {
          name: "policy",
          include: ["test/policy/{policy,swaps,kube-proxy-swap}.test.ts"],
          globalSetup: "test/policy/setup.ts",
          retry,
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: "campaign",
          include: ["test/campaign/campaign.test.ts"],
          globalSetup: "test/real/setup.ts",
          fileParallelism: false,
          testTimeout: 900_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: "page",
          include: ["test/page/*.test.ts"],
          globalSetup: "test/real/setup.ts",
          retry,
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 600_000,
        },
      },
      {
        test: {
          name: "parity",
          include: ["test/parity/*.test.ts"],
          globalSetup: "test/real/setup.ts",
          retry,
          fileParallelism: false,
          testTimeout: 900_000,
          hookTimeout: 900_000,
        },
      },
    ],
  },
});
