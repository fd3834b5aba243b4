import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { CODES } from "./codes.ts";

const DIRECTORIES = [import.meta.dirname, join(import.meta.dirname, "../cli")];

it("lists no kind of finding that nobody finds", () => {
  const files = DIRECTORIES.flatMap((directory) => {
    const names = readdirSync(directory).filter((name) => /^(?!codes|.*\.test).*\.ts$/.test(name));
    return names.map((name) => readFileSync(join(directory, name), "utf8"));
  });
  const found = Object.keys(CODES).filter((code) => {
    return files.some((text) => text.includes(JSON.stringify(code)));
  });
  expect(found).toEqual(Object.keys(CODES));
});
