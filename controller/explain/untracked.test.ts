import { describe, expect, it } from "vitest";
import { isUntracked } from "./untracked.ts";

// As nft 1.0.6 lists what iptables-nft 1.8.9 wrote, and what nft itself was given.
const TABLE = `table ip raw {
\tchain PREROUTING {
\t\ttype filter hook prerouting priority raw; policy accept;
\t\tip daddr 10.96.0.10 udp dport 53  counter packets 3 bytes 180 notrack
\t\tip daddr 10.96.0.10 tcp dport 53 counter packets 0 bytes 0 notrack
\t\tip daddr 10.97.0.0/16 notrack
\t\tip saddr 10.1.1.10 ip daddr 10.96.0.11 notrack
\t\tip daddr 10.96.0.12 udp dport 53 accept
\t}
}`;

describe("what is not tracked", () => {
  it.each([
    ["10.96.0.10", 53, "UDP", true],
    ["10.96.0.10", 53, "TCP", true],
    ["10.96.0.10", 80, "TCP", false],
    ["10.97.3.4", 80, "TCP", true],
    ["10.96.0.11", 53, "UDP", false],
    ["10.96.0.12", 53, "UDP", false],
  ] as const)("%s port %i over %s: %s", (address, port, protocol, is) => {
    expect(isUntracked(TABLE, { address, port, protocol })).toBe(is);
  });

  it("is nothing where there is no table, and an IPv6 address where that says so", () => {
    const asked = { address: "fd00::10", port: 53, protocol: "UDP" } as const;
    expect(isUntracked("", asked)).toBe(false);
    expect(isUntracked(TABLE, asked)).toBe(false);
    expect(isUntracked("ip6 daddr fd00::10 udp dport 53 notrack", asked)).toBe(true);
  });
});
