import { expect, it } from "vitest";
import type { ExecPlugin } from "./access.ts";
import { runExecPlugin } from "./exec-plugin.ts";

const API_VERSION = "client.authentication.k8s.io/v1";

/** Returns a plugin that is a shell script. */
function plugin(script: string): ExecPlugin {
  return {
    apiVersion: API_VERSION,
    command: "sh",
    args: ["-c", script],
    env: {},
    interactiveMode: "Never",
    installHint: "",
    clusterInfo: undefined,
  };
}

it("takes what a plugin prints", async () => {
  const printed = JSON.stringify({
    kind: "ExecCredential",
    apiVersion: API_VERSION,
    status: { token: "t" },
  });
  const credential = await runExecPlugin(plugin(`echo '${printed}'`), undefined);
  expect(credential).toEqual({ token: "t", certificate: undefined, expiresAt: undefined });
});

it("waits for no program that a killed plugin leaves behind", async () => {
  // It is killed for its long output, which the other program keeps writing.
  const run = runExecPlugin(plugin("yes & wait"), undefined);
  await expect(run).rejects.toThrow("the exec plugin sh was killed by SIGKILL");
});
