// The kernel's table as text, in nft's form and in ours.

import { describe, expect, test } from "vitest";
import { declarationOf } from "../../test/stand-ins/declared-set.ts";
import { ElementIndex, elementsFrom } from "./kernel-sets.ts";
import { chainsOfHook, kernelTableFrom } from "./kernel-table.ts";

const LISTED = `table inet portico {
	map frontends_v4 {
		type ipv4_addr . inet_proto . inet_service : verdict
		elements = { 203.0.113.9 . udp . 53 : goto verdict_local,
			     10.96.0.10 . udp . 53 : goto verdict_refuse }
	}

	set service_cidrs_v6 {
		type ipv6_addr
		flags interval
		elements = { fd00:96::/112 }
	}

	set restricted_v4 {
		type ipv4_addr . inet_proto . inet_service
	}

	chain delivered {
		type filter hook input priority 300; policy accept;
		tcp dport { 15401, 15402, 15403 } drop
	}

	chain capture {
		type filter hook prerouting priority mangle; policy accept;
		goto delivered
	}

	chain untranslated {
		type nat hook prerouting priority dstnat - 1; policy drop;
	}

	chain early {
		type filter hook prerouting priority -400; policy accept;
	}
}
`;

test("chains with their rules, in the order of their priorities", () => {
  const table = kernelTableFrom(LISTED);
  expect([...table.keys()]).toEqual(["delivered", "capture", "untranslated", "early"]);
  expect(table.get("delivered")).toEqual({
    name: "delivered",
    base: { hook: "input", priority: 300, policy: "accept", reroutes: false },
    rules: ["tcp dport { 15401, 15402, 15403 } drop"],
  });
  const names = chainsOfHook(table, "prerouting").map(({ name }) => name);
  expect(names).toEqual(["early", "capture", "untranslated"]);
  expect(table.get("untranslated")?.base).toMatchObject({ priority: -101, policy: "drop" });
  expect(kernelTableFrom("").size).toBe(0);
});

describe("elements", () => {
  test("of a map, a set, and one that has none", () => {
    const of = (set: string) => elementsFrom(declarationOf(set, LISTED));
    expect(of("frontends_v4")).toEqual([
      { key: "203.0.113.9 . udp . 53", value: "goto verdict_local" },
      { key: "10.96.0.10 . udp . 53", value: "goto verdict_refuse" },
    ]);
    expect(of("service_cidrs_v6")).toEqual([{ key: "fd00:96::/112" }]);
    expect(of("restricted_v4")).toEqual([]);
    expect(of("unheard_of")).toEqual([]);
  });

  test("a key finds itself, or the prefix that contains its last part", () => {
    const elements = [{ key: "203.0.113.9 . tcp . 80 . 10.1.0.0/16" }, { key: "10.96.0.10" }];
    const index = new ElementIndex(elements);
    expect(index.find("203.0.113.9 . tcp . 80 . 10.1.7.7")).toBe(elements[0]);
    expect(index.find("203.0.113.9 . tcp . 81 . 10.1.7.7")).toBeUndefined();
    expect(index.find("203.0.113.9 . tcp . 80 . 10.2.7.7")).toBeUndefined();
    expect(index.find("10.96.0.10")).toBe(elements[1]);
  });
});
