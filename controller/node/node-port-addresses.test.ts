import { expect, test } from "vitest";
import { nodePortAddressesFrom } from "./node-port-addresses.ts";

const INTERFACES = [
  "127.0.0.1",
  "::1",
  "192.0.2.1",
  "198.51.100.1",
  "10.1.1.1",
  "fd00:2::1",
  "fd00:5::1",
  "fe80::1",
];
const PRIMARY = ["192.0.2.1", "fd00:2::1"];

const ALL_IPV6 = ["fd00:2::1", "fd00:5::1"];

test.each<[string, string[], string[]]>([
  ["nothing said: the node's own", [], PRIMARY],
  ["primary", ["primary"], PRIMARY],
  ["all, which is not loopback", ["all"], ["10.1.1.1", "192.0.2.1", "198.51.100.1", ...ALL_IPV6]],
  ["localhost", ["localhost"], ["127.0.0.1", "::1"]],
  [
    "primary and localhost",
    ["localhost", "primary"],
    ["127.0.0.1", "192.0.2.1", "::1", "fd00:2::1"],
  ],
  ["CIDRs of both families", ["198.51.100.0/24", "fd00:5::/64"], ["198.51.100.1", "fd00:5::1"]],
  ["CIDRs of one: all of the other", ["198.51.100.0/24"], ["198.51.100.1", ...ALL_IPV6]],
  ["a CIDR that holds no address", ["203.0.113.0/24", "fd00:9::/64"], []],
  ["a wide CIDR, which is not loopback", ["64.0.0.0/2", "fd00:9::/64"], []],
  ["a CIDR of loopback addresses", ["127.0.0.0/8", "fd00:9::/64"], ["127.0.0.1"]],
  ["link-local by name", ["203.0.113.0/24", "fe80::/10"], ["fe80::1"]],
])("%s", (_, wanted, expected) => {
  const places = { wanted, primary: PRIMARY, interfaces: INTERFACES };
  expect(nodePortAddressesFrom(places)).toEqual(expected);
});

test("primary without interfaces, as long as they are not known", () => {
  const places = { wanted: [], primary: PRIMARY, interfaces: [] };
  expect(nodePortAddressesFrom(places)).toEqual(PRIMARY);
});
