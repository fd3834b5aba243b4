// Faults of the kernel's side: programs that fail or are slow, and others who take away what
// Portico has programmed.

import { type FaultKind, nothingToHeal } from "./fault.ts";
import type { Stand } from "./stand.ts";
import type { Wrapped, WrapperMode } from "./wrappers.ts";

/** From the removal to the repair and the SYN that is sent again. */
const REPAIRED_MS = 10_000;

const FULL_TABLE = `table inet campaign_full {
  chain prerouting { type filter hook prerouting priority -199; ct state new drop; }
  chain output { type filter hook output priority -199; ct state new drop; }
}`;

function shell(stand: Stand, script: string): Promise<unknown> {
  return stand.served.exec("sh", ["-c", script]);
}

/** Each line does it; what is not there is as good as removed. */
const REMOVALS: Readonly<Record<string, string>> = {
  "flush-ruleset": "nft flush ruleset",
  "delete-table": "nft delete table inet portico || true",
  "flush-rules": "nft flush table inet portico || true",
  "flush-sets": "for f in v4 v6; do nft flush map inet portico frontends_$f || true; done",
  "ip-rules": "ip -4 rule flush protocol 87; ip -6 rule flush protocol 87",
  "ip-routes": "ip -4 route flush table 4100; ip -6 route flush table 4100",
  "early-demux": "sysctl -qw net.ipv4.tcp_early_demux=1",
};

export const KERNEL_FAULTS: readonly FaultKind[] = [
  ...(["nft", "ip"] as const).map((program: Wrapped): FaultKind => {
    return {
      name: program,
      variants: ["fail", "slow"],
      allows: {},
      async inject({ wrappers }, variant) {
        wrappers.set(program, variant as WrapperMode);
        return async () => wrappers.set(program, "well");
      },
    };
  }),
  {
    // An open connection through a kept source address ends when its replies go to the Pod.
    name: "removed-by-others",
    variants: Object.keys(REMOVALS),
    weight: 3,
    allows: { open: true, newMs: REPAIRED_MS },
    async inject(stand, variant) {
      await shell(stand, REMOVALS[variant] ?? "false");
      return nothingToHeal;
    },
  },
  {
    // nf_conntrack_max is one for the machine. What a full table does is seen right behind
    // connection tracking: packets for which there is no entry are dropped.
    name: "conntrack-full",
    variants: ["drop-new"],
    allows: { newMs: 1_000 },
    async inject(stand) {
      await stand.served.exec("nft", ["-f", "-"], { input: FULL_TABLE });
      return async () => {
        await shell(stand, "nft delete table inet campaign_full 2>/dev/null || true");
      };
    },
  },
];
