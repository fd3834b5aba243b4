// Decides how TCP connections of Pods on bridges that call iptables get to Envoy: by the kernel's
// order of hooks (bridge.ts), or by NAT (bridge-redirect.ts), which costs each of them 6 µs more.

import { type BridgeCalls, CALL_SYSCTLS } from "./bridge-facts.ts";
import { type HookOrder, hookOrder } from "./hook-order.ts";
import { runProgram } from "./program.ts";

/** The operator's choice; auto: by NAT where the order of hooks is not what bridge.ts needs. */
export const BRIDGE_CAPTURES = ["auto", "order", "redirect"] as const;
export type BridgeCapture = (typeof BRIDGE_CAPTURES)[number];

export interface BridgePlan {
  /** Whether by NAT. */
  redirects: boolean;
  /** What keeps such Pods from Services, in sentences. */
  problems: string[];
}

/** Undefined: the order is not known. */
export function redirectsBridges(wanted: BridgeCapture, order: HookOrder | undefined): boolean {
  return wanted === "redirect" || (wanted === "auto" && order === "oldest-first");
}

/**
 * Asks for the order of hooks only where it matters: where a bridge may call iptables. Assumes the
 * usual order where it cannot be tried.
 */
export async function bridgePlan(
  wanted: BridgeCapture,
  calls: BridgeCalls,
  order: () => Promise<HookOrder | undefined> = () => hookOrder(runProgram),
): Promise<BridgePlan> {
  if (wanted === "redirect") return { redirects: true, problems: [] };
  const isUsual = calls === undefined || (await order()) !== "oldest-first";
  if (isUsual) return { redirects: false, problems: [] };
  if (redirectsBridges(wanted, "oldest-first")) return { redirects: true, problems: [] };
  const names = (["IPv4", "IPv6"] as const).filter((family) => calls[family]);
  return { redirects: false, problems: names.length === 0 ? [] : [orderProblem(names)] };
}

function orderProblem(families: readonly (keyof typeof CALL_SYSCTLS)[]): string {
  const settings = families.map((family) => CALL_SYSCTLS[family]).join(" and ");
  return (
    `${settings} is 1, and this kernel calls hooks of equal priority in another order than ` +
    "--bridge-capture order needs: TCP to Services fails for Pods on a bridge; omit that flag, " +
    "or set the sysctl to 0"
  );
}
