import { expect, it } from "vitest";
import { UdpAddressBook } from "./udp-address-book.ts";

/** Lots that count up. */
function counting(): (bytes: number) => Uint8Array {
  let count = 0;
  return (bytes) => new Uint8Array(bytes).fill(0).map((_, index) => (index === 3 ? ++count : 0));
}

const V4 = (...names: string[]) => names.map((name) => [name, "IPv4"] as const);

it("gives each listener an address of its own, and the same one while it stays", () => {
  const addresses = new UdpAddressBook([], counting());
  expect([...addresses.assign(V4("a", "b"))]).toEqual([
    ["a", "240.0.0.1"],
    ["b", "240.0.0.2"],
  ]);
  expect([...addresses.assign(V4("c", "b"))]).toEqual([
    ["c", "240.0.0.3"],
    ["b", "240.0.0.2"],
  ]);
});

it("gives one that comes back another address", () => {
  const addresses = new UdpAddressBook([], counting());
  addresses.assign(V4("a"));
  addresses.assign([]);
  expect(addresses.assign(V4("a")).get("a")).toBe("240.0.0.2");
});

it("leaves the listeners of an Envoy that lives where they are", () => {
  const addresses = new UdpAddressBook([["a", "240.0.0.1"]], counting());
  expect([...addresses.assign(V4("b", "a")).values()]).toEqual(["240.0.0.2", "240.0.0.1"]);
});

it("stays within the prefixes", () => {
  const addresses = new UdpAddressBook([], (bytes) => new Uint8Array(bytes).fill(0xab));
  expect(addresses.assign([["a", "IPv6"]]).get("a")).toBe(
    "fd70:6f72:7469:636f:abab:abab:abab:abab",
  );
  expect(addresses.assign(V4("b")).get("b")).toBe("243.171.171.171");
});
