// Whether nft and the kernel take Portico's rules: tried in a network namespace that is thrown away
// where that may be made, and otherwise here. Nothing is kept, `nft --check` commits nothing.

import { chains } from "../capture/chains.ts";
import type { CaptureOptions } from "../capture/options.ts";
import { rulesetFrom } from "../capture/ruleset.ts";
import { EMPTY_CAPTURE_SET } from "../node/capture-set.ts";
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

// To add one: what of the rules needs it, and the module that has it.
const FEATURES: readonly Feature[] = [
  {
    name: "transparent proxying (tproxy)",
    module: "nft_tproxy",
    rules: [PREROUTING, "meta l4proto tcp tproxy ip to 127.0.0.1:1"],
  },
  {
    name: "looking up sockets",
    module: "nft_socket",
    rules: [PREROUTING, "socket transparent 1 socket wildcard 0 accept"],
  },
  {
    name: "looking up routes (fib)",
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
    name: "translation that keeps the address that was dialled",
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
    name: "routing anew what the host sends",
    module: "nf_tables (CONFIG_NF_TABLES_INET)",
    rules: ["type route hook output priority mangle; policy accept;", "meta mark set 1"],
  },
];

export async function missingFeatures(
  machine: Machine,
  options: CaptureOptions,
): Promise<MissingFeature[]> {
  const whole = rulesetFrom(EMPTY_CAPTURE_SET, options);
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
  const name = `something in Portico's rules (${chains(options).length} lines)`;
  return [{ name, module: "nf_tables", said }];
}

/** What nft says against it; undefined when it takes it. */
async function refusal(machine: Machine, script: string): Promise<string | undefined> {
  const check = ["nft", "--check", "-f", "-"];
  const apart = await machine.run("unshare", ["--net", "--", ...check], script);
  const isRefusedThere = apart !== undefined && !apart.stderr.startsWith("unshare:");
  const printed = isRefusedThere ? apart : await machine.run("nft", check.slice(1), script);
  if (printed === undefined || printed.code === 0) return undefined;
  return printed.stderr.trim().split("\n")[0] ?? "";
}

/** Only where a namespace can be thrown away, as there is no rule that is merely tried. */
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
