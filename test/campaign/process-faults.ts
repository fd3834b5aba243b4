// Faults of the two processes: killed, stopped, short of descriptors.

import { runCommand } from "../namespaces/command.ts";
import { type FaultKind, type Heal, nothingToHeal } from "./fault.ts";

/** Of Envoy from its death to its first answer, with its table; the machine may be slow. */
const ENVOY_BACK_MS = 15_000;
const FEW_DESCRIPTORS = 6;

/** Sends it SIGSTOP; healing continues it, if it lives. */
function suspend(pid: number | undefined): Heal {
  if (pid === undefined) return nothingToHeal;
  send(pid, "SIGSTOP");
  return async () => send(pid, "SIGCONT");
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Leaves it so many descriptors more than it has; healing gives it back what it had. */
export async function shortOfDescriptors(
  pid: number | undefined,
  left = FEW_DESCRIPTORS,
): Promise<Heal> {
  if (pid === undefined) return nothingToHeal;
  const limits = await limitsOf(pid);
  const open = await runCommand("sh", ["-c", `ls /proc/${pid}/fd | wc -l`]);
  const few = Number(open.stdout) + left;
  await limit(pid, `${few}:${limits.hard}`);
  return async () => limit(pid, `${limits.soft}:${limits.hard}`);
}

async function limit(pid: number, text: string): Promise<void> {
  // It may have ended meanwhile.
  await runCommand("prlimit", ["--pid", `${pid}`, `--nofile=${text}`], { allowFailure: true });
}

async function limitsOf(pid: number): Promise<{ soft: string; hard: string }> {
  const columns = ["--noheadings", "--raw", "--output", "SOFT,HARD"];
  const { stdout } = await runCommand("prlimit", ["--pid", `${pid}`, "--nofile", ...columns]);
  const [soft = "", hard = ""] = stdout.trim().split(/\s+/);
  return { soft, hard };
}

export const PROCESS_FAULTS: readonly FaultKind[] = [
  {
    name: "controller-killed",
    variants: ["SIGKILL", "SIGTERM"],
    weight: 2,
    allows: {},
    async inject(stand, variant) {
      const goOn = await stand.stopController(variant as NodeJS.Signals);
      return async () => goOn();
    },
  },
  {
    name: "controller-stopped",
    variants: ["SIGSTOP"],
    allows: {},
    inject: async (stand) => suspend(stand.portico.pid),
  },
  {
    name: "envoy-killed",
    variants: ["SIGKILL", "SIGTERM"],
    weight: 2,
    allows: { open: true, newMs: ENVOY_BACK_MS, affinity: true },
    async inject(stand, variant) {
      const pid = stand.envoyPid();
      if (pid !== undefined) send(pid, variant as NodeJS.Signals);
      return nothingToHeal;
    },
  },
  {
    name: "both-killed",
    variants: ["SIGKILL"],
    allows: { open: true, newMs: ENVOY_BACK_MS, affinity: true },
    async inject(stand) {
      const goOn = await stand.stopController("SIGKILL");
      const pid = stand.envoyPid();
      if (pid !== undefined) send(pid, "SIGKILL");
      return async () => goOn();
    },
  },
  {
    // Nothing answers meanwhile; what waits is answered afterwards, unless its patience is over.
    name: "envoy-stopped",
    variants: ["SIGSTOP"],
    allows: { newMs: 1_000, open: true },
    inject: async (stand) => suspend(stand.envoyPid()),
  },
  {
    name: "controller-short-of-descriptors",
    variants: ["nofile"],
    allows: {},
    inject: (stand) => shortOfDescriptors(stand.portico.pid),
  },
  {
    // Envoy 1.40 aborts when a UDP flow gets no descriptor (docs/decisions/0014).
    name: "envoy-short-of-descriptors",
    variants: ["nofile"],
    allows: { open: true, newMs: ENVOY_BACK_MS, affinity: true },
    inject: (stand) => shortOfDescriptors(stand.envoyPid()),
  },
];
