import { expect, it } from "vitest";
import { EMPTY_KERNEL_TARGET } from "./kernel-target.ts";
import { DEFAULT_CAPTURE_OPTIONS } from "./options.ts";
import { releaseFrom } from "./release.ts";
import { rulesetFrom } from "./ruleset.ts";

it("captures nothing new, and keeps how Envoy's answers and handshakes go on", () => {
  const listing = rulesetFrom(EMPTY_KERNEL_TARGET, {
    ...DEFAULT_CAPTURE_OPTIONS,
    families: ["IPv4"],
  });
  expect(releaseFrom(listing).split("\n")).toEqual([
    "flush map inet portico host_udp_v4",
    "flush set inet portico cluster_ips_v4",
    "flush set inet portico service_cidrs_v4",
    "flush set inet portico external_v4",
    "flush set inet portico restricted_v4",
    "flush set inet portico allowed_sources_v4",
    "insert rule inet portico from_frontend meta l4proto != tcp accept",
    "insert rule inet portico from_frontend ct state new accept",
    "add chain inet portico released " +
      "{ type filter hook prerouting priority raw + 10; policy accept; }",
    "flush chain inet portico released",
    "add rule inet portico released ct state untracked accept",
    "add rule inet portico released ip daddr . udp dport @udp_frontends_v4 " +
      "ct original zone set 4100",
    "",
  ]);
});

it("does so for each family that the table has", () => {
  const script = releaseFrom(rulesetFrom(EMPTY_KERNEL_TARGET, DEFAULT_CAPTURE_OPTIONS));
  expect(script).toContain("flush map inet portico host_udp_v6\n");
  expect(script).toContain("released ip6 daddr . udp dport @udp_frontends_v6 ct original zone");
});
