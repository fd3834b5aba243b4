import fc from "fast-check";
import { expect, it } from "vitest";
import { ByteReader, MalformedError } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";

it("reads every number that it writes", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      (unsigned, signed, long) => {
        const bytes = new ByteWriter().u32(unsigned).s32(signed).s64(long).written();
        const reader = new ByteReader(bytes);
        expect([reader.u32(), reader.s32(), reader.s64()]).toEqual([unsigned, signed, long]);
        expect(reader.isAtEnd).toBe(true);
      },
    ),
  );
});

it("reads names, parts and lists that it writes", () => {
  const bytes = new ByteWriter()
    .name("pick → é")
    .list([3, 4], (item, to) => to.u32(item))
    .sized(Uint8Array.from([9]))
    .written();
  const reader = new ByteReader(bytes);
  expect(reader.name()).toBe("pick → é");
  expect(reader.list(() => reader.u32())).toEqual([3, 4]);
  const part = reader.part(reader.u32());
  expect([part.u8(), part.isAtEnd, reader.isAtEnd]).toEqual([9, true, true]);
});

it("keeps what it wrote while it grows", () => {
  const numbers = Array.from({ length: 10_000 }, (_, index) => index);
  const bytes = new ByteWriter().list(numbers, (item, to) => to.u32(item)).written();
  const reader = new ByteReader(bytes);
  expect(reader.list(() => reader.u32())).toEqual(numbers);
});

it.each([
  ["a byte behind the end", [], (reader: ByteReader) => reader.u8()],
  ["half a number", [0x80], (reader: ByteReader) => reader.u32()],
  ["a number of six bytes", new Array(6).fill(0x80), (reader: ByteReader) => reader.u32()],
  ["a number of 33 bits", [0xff, 0xff, 0xff, 0xff, 0x1f], (reader: ByteReader) => reader.u32()],
  ["a signed number of six bytes", new Array(6).fill(0xff), (reader: ByteReader) => reader.s32()],
  ["a long number of eleven bytes", new Array(11).fill(0xff), (reader: ByteReader) => reader.s64()],
  ["a name behind the end", [5, 0x61], (reader: ByteReader) => reader.name()],
  ["a name that is not UTF-8", [1, 0xff], (reader: ByteReader) => reader.name()],
  ["a list behind the end", [0xff, 0x7f], (reader: ByteReader) => reader.list(() => reader.u8())],
] as const)("refuses %s", (_what, bytes, read) => {
  expect(() => read(new ByteReader(Uint8Array.from(bytes)))).toThrow(MalformedError);
});
