import { expect, it } from "vitest";
import { hook, policyChain, replaceTable } from "./pod-chains.ts";

const ports = [{ protocol: "tcp", first: 80, last: 80 }];

it("allows everything where nothing isolates", () => {
  expect(policyChain("to_pod", undefined, "saddr")).toEqual(["  chain to_pod {", "  }"]);
});

it("drops everything where nothing is allowed", () => {
  expect(policyChain("to_pod", [], "saddr")).toEqual(["  chain to_pod {", "drop", "  }"]);
});

it.each([
  ["everybody", { cidrs: undefined, except: [], ports: undefined }, ["return"]],
  ["a port", { cidrs: undefined, except: [], ports }, ["tcp dport 80 return"]],
  [
    "ports of a range",
    { cidrs: undefined, except: [], ports: [{ protocol: "udp", first: 80, last: 90 }] },
    ["udp dport 80-90 return"],
  ],
  [
    "addresses of both families",
    { cidrs: ["10.1.1.10", "fd00::1"], except: [], ports: undefined },
    ["ip saddr { 10.1.1.10 } return", "ip6 saddr { fd00::1 } return"],
  ],
  [
    "a range without a part",
    { cidrs: ["10.0.0.0/8"], except: ["10.1.0.0/16"], ports },
    ["ip saddr { 10.0.0.0/8 } ip saddr != { 10.1.0.0/16 } tcp dport 80 return"],
  ],
  ["no Pod that is selected", { cidrs: [], except: [], ports }, []],
])("returns for %s", (_, allowed, rules) => {
  const chain = policyChain("to_pod", [allowed], "saddr");
  expect(chain).toEqual(["  chain to_pod {", ...rules, "drop", "  }"]);
});

it("replaces a table whether or not it is there", () => {
  expect(replaceTable("inet t", hook("input", "filter", ["accept"]))).toBe(
    [
      "table inet t {}",
      "delete table inet t",
      "table inet t {",
      "  chain input {",
      "type filter hook input priority filter; policy accept;",
      "accept",
      "  }",
      "}",
      "",
    ].join("\n"),
  );
});
