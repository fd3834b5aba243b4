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
const wanted = wantedRouting(DEFAULT_CAPTURE_OPTIONS);
const present = routingFrom(IPV4, RULES, ROUTES);

describe("changes of rules and routes", () => {
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
    const options = { ...DEFAULT_CAPTURE_OPTIONS, routeTable: 4200, markBit: 0x2000 };
    expect(routingChanges(present, wantedRouting(options))).toEqual([
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
    const routes = JSON.stringify([{ dst: "default", dev: "lo", table: "4100", prefsrc }]);
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
