// Faults of the node: its run directory, its addresses.

import { rmSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../eventually.ts";
import { runCommand } from "../namespaces/command.ts";
import type { FaultKind, Heal } from "./fault.ts";
import { NODE_PORT } from "./model.ts";
import type { Stand } from "./stand.ts";

const NEW_ADDRESS = "192.0.2.150";
const NEW_ADDRESS_MS = 20_000;

async function fill({ portico }: Stand): Promise<Heal> {
  const file = join(portico.runDirectory, "campaign-fill");
  const script = `cat /dev/zero > ${file} 2>/dev/null || true`;
  await runCommand("sh", ["-c", script]);
  return async () => rmSync(file, { force: true });
}

async function makeReadOnly({ portico }: Stand): Promise<Heal> {
  const remount = (how: string) =>
    runCommand("mount", ["-o", `remount,${how}`, portico.runDirectory], { allowFailure: true });
  await remount("ro");
  return async () => void (await remount("rw"));
}

/** On eth0 and in the Node object, as keepalived and a cloud's controller bring it. */
async function addAddress(stand: Stand): Promise<Heal> {
  const { served } = stand;
  await served.exec("ip", ["addr", "add", `${NEW_ADDRESS}/24`, "dev", "eth0"]);
  return async () => {
    const agent = stand.agentOf("outside");
    const target = { protocol: "TCP", address: NEW_ADDRESS, port: NODE_PORT } as const;
    await eventually(`the node port at ${NEW_ADDRESS}`, NEW_ADDRESS_MS, async () => {
      const request = { op: "dial", target: { ...target, timeoutMs: 1_000 }, tries: 1 } as const;
      return (await agent.results(request))[0]?.outcome === "answered";
    }).finally(() => served.exec("ip", ["addr", "del", `${NEW_ADDRESS}/24`, "dev", "eth0"]));
  };
}

export const NODE_FAULTS: readonly FaultKind[] = [
  {
    name: "run-directory",
    variants: ["full", "read-only"],
    weight: 2,
    allows: {},
    inject: (stand, variant) => (variant === "full" ? fill(stand) : makeReadOnly(stand)),
  },
  {
    name: "node-address",
    variants: ["added-and-removed"],
    allows: {},
    inject: addAddress,
  },
];
