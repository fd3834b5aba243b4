import fc from "fast-check";
import { expect, it } from "vitest";
import { linesOf } from "./list-watch-lines.ts";

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function collect(lines: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const line of lines) all.push(line);
  return all;
}

it("gives the same lines however the bytes are cut, umlauts included", async () => {
  const line = fc
    .string({ unit: "grapheme", minLength: 1 })
    .map((text) => text.replace(/\n/g, "-"));
  await fc.assert(
    fc.asyncProperty(fc.array(line), fc.integer({ min: 1, max: 9 }), async (lines, size) => {
      const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(""));
      expect(await collect(linesOf(pieces(bytes, size)))).toEqual(lines);
    }),
  );
});

it("leaves out empty lines and what follows the last newline", async () => {
  expect(await collect(linesOf(pieces(Buffer.from("a\n\nb\nhalf"), 3)))).toEqual(["a", "b"]);
});

it("refuses a line without end", async () => {
  async function* endless() {
    for (;;) yield Buffer.alloc(1024 * 1024, "a");
  }
  await expect(collect(linesOf(endless()))).rejects.toThrow("a line of over 16777216 bytes");
});
