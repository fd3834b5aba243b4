import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { expect, it } from "vitest";
import { addressBytes } from "../model/ip.ts";
import { UdpAddressBook } from "./udp-address-book.ts";

/** Lots that count up. */
function counting(): (bytes: number) => Uint8Array {
  let count = 0;
  return (bytes) => new Uint8Array(bytes).fill(0).map((_, index) => (index === 3 ? ++count : 0));
}

const V4 = (...names: string[]) => names.map((name) => [name, "10.96.0.10"] as const);

it("gives each listener an address of its own, and the same one while it stays", () => {
  const addresses = new UdpAddressBook([], [], counting());
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
  const addresses = new UdpAddressBook([], [], counting());
  addresses.assign(V4("a"));
  addresses.assign([]);
  expect(addresses.assign(V4("a")).get("a")).toBe("240.0.0.2");
});

it("leaves the listeners of an Envoy that lives where they are", () => {
  const addresses = new UdpAddressBook([["a", "240.0.0.1"]], [], counting());
  expect([...addresses.assign(V4("b", "a")).values()]).toEqual(["240.0.0.2", "240.0.0.1"]);
});

it("stays within the prefixes", () => {
  const addresses = new UdpAddressBook([], [], (bytes) => new Uint8Array(bytes).fill(0xab));
  expect(addresses.assign([["a", "fd00:96::a"]]).get("a")).toBe(
    "fd70:6f72:7469:636f:abab:abab:abab:b5e1",
  );
  expect(addresses.assign(V4("b")).get("b")).toBe("243.171.171.171");
});

it("gives IPv6 listeners addresses of the checksum that their frontend's has", () => {
  const sum = (address: string) => {
    const words = addressBytes(address).reduce(
      (total, byte, index) => total + (index % 2 ? byte : byte * 256),
      0,
    );
    return words % 0xffff;
  };
  const hex = fc.integer({ min: 0, max: 0xffff }).map((word) => word.toString(16));
  fc.assert(
    fc.property(fc.array(hex, { minLength: 8, maxLength: 8 }), (words) => {
      const frontend = ipaddr.parse(words.join(":")).toString();
      const listener = new UdpAddressBook([]).assign([["a", frontend]]).get("a") ?? "";
      expect(listener).toMatch(/^fd70:6f72:7469:636f:/);
      expect(sum(listener)).toBe(sum(frontend));
    }),
  );
});
