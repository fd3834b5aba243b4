import { defineConfig } from "vitest/config";

// unit: no process, no network. wasm: the built plugin in the fake host. real: Envoy, nftables and
// namespaces. cluster: a real Kubernetes control plane. The last two own the machine's time.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: [
            "{controller,envoy}/**/*.test.ts",
            "test/*.test.ts",
            "test/{cases,demo,bench}/*.test.ts",
          ],
        },
      },
      { test: { name: "wasm", include: ["test/wasm/*.test.ts"], testTimeout: 60_000 } },
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
          include: ["test/cluster/*.test.ts"],
          globalSetup: "test/real/setup.ts",
          retry,
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
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
