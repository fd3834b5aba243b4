import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { bridgeFactsFrom, bridgesIn, readBridgeCalls } from "./bridge-facts.ts";

/** As iproute2 6.1 prints a bridge, without what is not read; `own` are its own settings. */
function printed(own: Record<string, 0 | 1> = {}): string {
  const address = (family: string, local: string, prefixlen: number, scope = "global") => {
    return { family, local, prefixlen, scope, label: "cni0" };
  };
  const bridge = {
    ifindex: 2,
    ifname: "cni0",
    linkinfo: {
      info_kind: "bridge",
      info_data: { nf_call_iptables: 0, nf_call_ip6tables: 0, ...own },
    },
    addr_info: [
      address("inet", "10.1.9.1", 24),
      address("inet6", "fd00:9::1", 64),
      address("inet6", "fe80::1", 64, "link"),
    ],
  };
  return JSON.stringify([{}, bridge, {}]);
}

const IPV4 = { bridge: "cni0", cidr: "10.1.9.0/24" };
const IPV6 = { bridge: "cni0", cidr: "fd00:9::/64" };

describe("networks that no IP hook sees", () => {
  it.each([
    ["without br_netfilter, all", undefined, {}, [IPV4, IPV6], []],
    ["with both sysctls, none", { IPv4: true, IPv6: true }, {}, [], ["IPv4", "IPv6"]],
    ["with neither, all", { IPv4: false, IPv6: false }, {}, [IPV4, IPV6], []],
    ["those of the family whose sysctl is 0", { IPv4: true, IPv6: false }, {}, [IPV6], ["IPv4"]],
    [
      "not those of a bridge that has a setting of its own",
      { IPv4: false, IPv6: false },
      { nf_call_ip6tables: 1 } as const,
      [IPV4],
      ["IPv6"],
    ],
  ])("%s; the other families have bridges that call", (_, calls, own, unseen, calling) => {
    const hasNetfilter = calls !== undefined;
    expect(bridgeFactsFrom(calls, printed(own))).toEqual({ hasNetfilter, calling, unseen });
  });

  it("are none where there is no bridge", () => {
    for (const nothing of ["", "[]\n", "[{},{}]"]) {
      expect(bridgesIn(nothing)).toEqual([]);
      const facts = { hasNetfilter: false, calling: [], unseen: [] };
      expect(bridgeFactsFrom(undefined, nothing)).toEqual(facts);
    }
    expect(bridgesIn(printed())).toEqual(["cni0"]);
  });
});

describe("the sysctls", () => {
  function folder(files: Record<string, string>): string {
    const path = mkdtempSync(join(tmpdir(), "portico-bridge-"));
    onTestFinished(() => rmSync(path, { recursive: true }));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
    return path;
  }

  it("are read, each family's", async () => {
    const files = { "bridge-nf-call-iptables": "1\n", "bridge-nf-call-ip6tables": "0\n" };
    expect(await readBridgeCalls(folder(files))).toEqual({ IPv4: true, IPv6: false });
  });

  it("are missing without br_netfilter; IPv6's may be, without IPv6", async () => {
    expect(await readBridgeCalls("/nonexistent")).toBeUndefined();
    const files = { "bridge-nf-call-iptables": "1\n" };
    expect(await readBridgeCalls(folder(files))).toEqual({ IPv4: true, IPv6: false });
  });
});
