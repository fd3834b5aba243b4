import { describe, expect, it } from "vitest";
import { type Family, familiesOf } from "./families.ts";
import { DEFAULT_CAPTURE_OPTIONS } from "./options.ts";
import { routingChanges, routingFrom, wantedRouting } from "./routes.ts";

const MARKED = { fwmark: "0x1000", fwmask: "0x1000", table: "4100" };
const RULES = JSON.stringify([
  { priority: 0, src: "all", table: "255" },
  { priority: 50, src: "all", ...MARKED, protocol: "4" },
  { priority: 1, src: "all", ...MARKED, protocol: "87" },
]);
const ROUTES = JSON.stringify([
  { type: "2", dst: "default", dev: "lo", table: "4100", scope: "254" },
]);

const [IPV4, IPV6] = familiesOf(["IPv4", "IPv6"]) as [Family, Family];
const DIRECT = { ...DEFAULT_CAPTURE_OPTIONS, policyHook: "output" as const };
const wanted = wantedRouting(DIRECT, "IPv4");
const present = routingFrom(IPV4, RULES, ROUTES);

describe("changes of rules and routes", () => {
  it("lead to the links in the families that the node forwards", () => {
    const options = { ...DEFAULT_CAPTURE_OPTIONS, forwarding: ["IPv4" as const] };
    expect(routingChanges(present, wantedRouting(options, "IPv4"))).toEqual([
      "route replace default dev portico0 table 4101 protocol 87",
      "rule add fwmark 0x50/0x50 table 4101 priority 1 protocol 87",
    ]);
    expect(wantedRouting({ ...options, forwarding: ["IPv6"] }, "IPv6").routes).toContain(
      "default dev portico0 table 4101 mtu 1280",
    );
    expect(wantedRouting(options, "IPv6")).toEqual(wantedRouting(DIRECT, "IPv6"));
  });

  it("replace a route that differs in an attribute, and remove nothing then", () => {
    const plain = JSON.stringify([
      { type: "2", dst: "default", dev: "lo", table: "4100" },
      { dst: "default", dev: "portico0", table: "4101" },
    ]);
    const options = wantedRouting(DEFAULT_CAPTURE_OPTIONS, "IPv6");
    expect(routingChanges(routingFrom(IPV6, RULES, plain), options)).toEqual([
      "route replace default dev portico0 table 4101 mtu 1280 protocol 87",
      "rule add fwmark 0x50/0x50 table 4101 priority 1 protocol 87",
    ]);
  });

  it("remove the way to the links", () => {
    const links = JSON.stringify([
      { type: "2", dst: "default", dev: "lo", table: "4100", scope: "254" },
      { dst: "default", dev: "portico0", table: "4101", scope: "253" },
    ]);
    expect(routingChanges(routingFrom(IPV4, RULES, links), wanted)).toEqual([
      "route del default dev portico0 table 4101 protocol 87",
    ]);
  });

  it("are all of them when nothing is there", () => {
    expect(routingChanges(routingFrom(IPV4, "", "[]"), wanted)).toEqual([
      "route replace local default dev lo table 4100 protocol 87",
      "rule add fwmark 0x1000/0x1000 table 4100 priority 1 protocol 87",
    ]);
  });

  it("are none when all is there, from whoever", () => {
    expect(routingChanges(present, wanted)).toEqual([]);
  });

  it("remove what an earlier process made with other options", () => {
    const options = { ...DIRECT, routeTable: 4200, markBit: 0x2000 };
    expect(routingChanges(present, wantedRouting(options, "IPv4"))).toEqual([
      "route replace local default dev lo table 4200 protocol 87",
      "rule add fwmark 0x2000/0x2000 table 4200 priority 1 protocol 87",
      "rule del fwmark 0x1000/0x1000 table 4100 priority 1 protocol 87",
      "route del local default dev lo table 4100 protocol 87",
    ]);
  });

  it.each([
    [IPV4, "10.96.0.0", 16, "192.0.2.1", "10.96.0.0/16"],
    [IPV6, "fd00:96::1", undefined, "fd00:2::1", "fd00:96::1/128"],
  ])("remove what an earlier version made, and find a way at every moment", (...given) => {
    const [family, dst, dstlen, prefsrc, cidr] = given;
    const own = { table: "4100", protocol: "87" };
    const rules = JSON.stringify([{ priority: 100, dst, dstlen, iif: "lo", ...own }]);
    const routes = JSON.stringify([
      { type: "2", dst: "default", dev: "lo", table: "4100", prefsrc },
    ]);
    expect(routingChanges(routingFrom(family, rules, routes), wanted)).toEqual([
      "route replace local default dev lo table 4100 protocol 87",
      "rule add fwmark 0x1000/0x1000 table 4100 priority 1 protocol 87",
      `rule del to ${cidr} iif lo table 4100 priority 100 protocol 87`,
    ]);
  });

  it("leave the rules of other protocols alone", () => {
    expect(routingChanges(present, { rules: [], routes: [] })).toHaveLength(2);
  });
});
