// Whether nft and the kernel accept Portico's rules. Tries them in a temporary network namespace
// where it may make one, and otherwise here. Nothing stays: `nft --check` commits nothing.

import { chains } from "../capture/chains.ts";
import { EMPTY_KERNEL_TARGET } from "../capture/kernel-target.ts";
import type { CaptureOptions } from "../capture/options.ts";
import { rulesetFrom } from "../capture/ruleset.ts";
import type { MissingFeature } from "./facts.ts";
import type { Machine } from "./machine.ts";

interface Feature {
  name: string;
  module: string;
  /** The rules of a chain that need it. */
  rules: readonly string[];
}

const PREROUTING = "type filter hook prerouting priority mangle; policy accept;";
const NAT = "type nat hook postrouting priority srcnat; policy accept;";

// To add one: the rules that need it, and the module that has it.
const FEATURES: readonly Feature[] = [
  {
    name: "transparent proxying (tproxy)",
    module: "nft_tproxy",
    rules: [PREROUTING, "meta l4proto tcp tproxy ip to 127.0.0.1:1"],
  },
  {
    name: "socket lookup",
    module: "nft_socket",
    rules: [PREROUTING, "socket transparent 1 socket wildcard 0 accept"],
  },
  {
    name: "route lookup (fib)",
    module: "nft_fib_inet",
    rules: [PREROUTING, "fib saddr type local accept"],
  },
  {
    name: "connection tracking with marks",
    module: "nft_ct",
    rules: [PREROUTING, "ct mark set 1"],
  },
  {
    name: "conntrack zones",
    module: "nft_ct (CONFIG_NF_CONNTRACK_ZONES)",
    rules: ["type filter hook prerouting priority raw; policy accept;", "ct original zone set 1"],
  },
  {
    name: "NAT that keeps the dialled address",
    module: "nft_nat",
    rules: [
      "type nat hook prerouting priority dstnat; policy accept;",
      "dnat ip to ct original ip daddr",
    ],
  },
  { name: "masquerading", module: "nft_masq", rules: [NAT, "masquerade"] },
  {
    name: "refusing",
    module: "nft_reject_inet",
    rules: [PREROUTING, "meta l4proto tcp reject with tcp reset"],
  },
  {
    name: "rerouting of host traffic",
    module: "nf_tables (CONFIG_NF_TABLES_INET)",
    rules: ["type route hook output priority mangle; policy accept;", "meta mark set 1"],
  },
];

/**
 * Tries Portico's rules in an empty network namespace where it can make one, otherwise with `nft
 * --check`. Changes nothing on the node. Returns what was refused; empty when everything was
 * accepted, and when nft or ip cannot be run.
 */
export async function missingFeatures(
  machine: Machine,
  options: CaptureOptions,
): Promise<MissingFeature[]> {
  const whole = rulesetFrom(EMPTY_KERNEL_TARGET, options);
  const said = await refusal(machine, whole);
  if (said === undefined) return await missingRouting(machine, options);
  const single = FEATURES.map(async ({ name, module, rules }) => {
    const body = rules.map((rule) => `    ${rule}`).join("\n");
    const script = `table inet portico_check {\n  chain tried {\n${body}\n  }\n}\n`;
    const reason = await refusal(machine, script);
    return reason === undefined ? [] : [{ name, module, said: reason }];
  });
  const found = (await Promise.all(single)).flat();
  if (found.length > 0) return found;
  const name = `part of Portico's rules (${chains(options).length} lines)`;
  return [{ name, module: "nf_tables", said }];
}

/** Returns the error that nft prints; undefined when it accepts the script. */
async function refusal(machine: Machine, script: string): Promise<string | undefined> {
  const check = ["nft", "--check", "-f", "-"];
  const apart = await machine.run("unshare", ["--net", "--", ...check], script);
  const isRefusedThere = apart !== undefined && !apart.stderr.startsWith("unshare:");
  const printed = isRefusedThere ? apart : await machine.run("nft", check.slice(1), script);
  if (printed === undefined || printed.code === 0) return undefined;
  return printed.stderr.trim().split("\n")[0] ?? "";
}

/** Tries routing only in a temporary namespace, as `ip` has no dry run. */
async function missingRouting(
  machine: Machine,
  { markBit, routeTable, rulePriority }: CaptureOptions,
): Promise<MissingFeature[]> {
  const bit = `0x${markBit.toString(16)}`;
  const rule = `rule add fwmark ${bit}/${bit} table ${routeTable} priority ${rulePriority}`;
  const printed = await machine.run("unshare", ["--net", "--", "ip", ...rule.split(" ")]);
  if (printed === undefined || printed.code === 0 || printed.stderr.startsWith("unshare:")) {
    return [];
  }
  const said = printed.stderr.trim().split("\n")[0] ?? "";
  return [{ name: "routing by mark", module: "CONFIG_IP_MULTIPLE_TABLES", said }];
}
