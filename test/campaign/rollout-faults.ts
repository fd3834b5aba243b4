// What operators do to a node that serves: another plugin, a broken one, another Envoy, and a table
// that is pushed behind the controller's back.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withOtherBuild } from "../real/test-plugins.ts";
import { type FaultKind, type Heal, nothingToHeal } from "./fault.ts";
import type { Stand } from "./stand.ts";

const PORTICO = join(import.meta.dirname, "../../build/portico");
const SHIPPED = `${PORTICO}.wasm`;
const REPAIRED_MS = 10_000;
let builds = 0;

/** Does something with a folder in /run that is gone afterwards. */
async function withFolder(use: (folder: string) => Promise<unknown>): Promise<void> {
  const folder = mkdtempSync("/run/portico-campaign-");
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * The command may fail, because of another fault of the round; what counts is what clients see.
 * Healing goes back to the shipped one, as `portico plugin reset` does.
 */
async function loadPlugin({ portico }: Stand, variant: string): Promise<Heal> {
  await withFolder(async (folder) => {
    const file = join(folder, "plugin.wasm");
    const shipped = readFileSync(SHIPPED);
    builds += 1;
    const cut = shipped.subarray(0, shipped.length / 2);
    writeFileSync(file, variant === "broken" ? cut : withOtherBuild(shipped, `build ${builds}`));
    const { code } = await portico.command("plugin", "load", file);
    if (variant === "broken" && code === 0) throw new Error("a broken plugin was taken");
  });
  return async () => void (await portico.command("plugin", "reset"));
}

async function pushTable({ portico, served }: Stand): Promise<Heal> {
  await withFolder(async (folder) => {
    const service = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "another", namespace: "another" },
      spec: { clusterIP: "10.96.200.1", ports: [{ port: 80 }] },
    };
    writeFileSync(join(folder, "service.json"), JSON.stringify(service));
    const socket = join(portico.runDirectory, "table.sock");
    const push = [PORTICO, "table", "push", "--manifests", folder, "--socket", socket];
    await served.exec(process.execPath, push, { allowFailure: true });
  });
  return nothingToHeal;
}

export const ROLLOUT_FAULTS: readonly FaultKind[] = [
  {
    name: "plugin-loaded",
    variants: ["another-build", "another-build", "broken"],
    weight: 2,
    allows: {},
    inject: loadPlugin,
  },
  {
    // What was open is ended when the drain time is over.
    name: "envoy-replaced",
    variants: ["1s", "1h"],
    weight: 2,
    allows: { open: true },
    async inject({ portico }, variant) {
      await portico.command("envoy", "replace", "--end-draining", "--drain-time", variant);
      return nothingToHeal;
    },
  },
  {
    name: "table-pushed-by-another",
    variants: ["nothing-of-ours"],
    allows: { newMs: REPAIRED_MS, affinity: true },
    inject: pushTable,
  },
];
