// The shape of the code base, held by a test: sizes, widths, which room may import from which, and
// nothing exported that nobody uses. Function and file lengths are Biome's (biome.json).

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, it } from "vitest";

const root = resolve(import.meta.dirname, "..");
const MAX_COLUMNS = 100;
const MAX_LINES = 400;

const sources = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "*.ts"], {
  cwd: root,
  encoding: "utf8",
})
  .split("\n")
  .filter((path) => path !== "" && !path.endsWith(".d.ts"))
  .map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));

/** The way of data: a room may import from its own and from those to the left of it. */
const ROOMS = [
  ["plugin/wire"],
  ["controller/model"],
  ["controller/node"],
  ["controller/wire"],
  ["controller/table", "controller/xds", "controller/capture"],
  ["controller/watch", "controller/kubeconfig", "controller/kernel-watch"],
  ["controller/sync", "controller/observe", "controller/health", "envoy"],
  ["controller/explain", "controller/doctor", "controller/check", "controller/page"],
  ["controller/daemon"],
  ["controller/cli"],
];

function rank(path: string): number {
  return ROOMS.findIndex((rooms) => rooms.some((room) => path.startsWith(`${room}/`)));
}

function importsOf(source: { path: string; text: string }): string[] {
  const found = source.text.matchAll(/^(?:import|export)[^"']*["'](\.[^"']*)["']/gm);
  return [...found].map(([, specifier]) =>
    relative(root, resolve(root, dirname(source.path), specifier ?? "")),
  );
}

it("sees the code base", () => {
  expect(sources.length).toBeGreaterThan(50);
});

it("keeps lines within 100 columns and files within 400 lines", () => {
  const long = sources.flatMap(({ path, text }) => {
    const lines = text.split("\n");
    const wide = lines.flatMap((line, index) =>
      [...line].length > MAX_COLUMNS ? [`${path}:${index + 1} is too wide`] : [],
    );
    return lines.length > MAX_LINES ? [...wide, `${path} has ${lines.length} lines`] : wide;
  });
  expect(long).toEqual([]);
});

it("imports along the way of data only", () => {
  const against = sources
    .filter(({ path }) => rank(path) >= 0 && !path.endsWith(".test.ts"))
    .flatMap((source) =>
      importsOf(source)
        .filter((target) => rank(target) > rank(source.path))
        .map((target) => `${source.path} imports ${target}`),
    );
  expect(against).toEqual([]);
});

it("keeps the product apart from its tests, and the plugin apart from both", () => {
  const strays = sources
    .filter(({ path }) => !path.startsWith("test/") && !path.endsWith(".test.ts"))
    .flatMap((source) =>
      importsOf(source)
        .filter(
          (target) =>
            target.startsWith("test/") ||
            (source.path.startsWith("plugin/") && !target.startsWith("plugin/")) ||
            (!source.path.startsWith("plugin/") &&
              target.startsWith("plugin/") &&
              !target.startsWith("plugin/wire/")),
        )
        .map((target) => `${source.path} imports ${target}`),
    );
  expect(strays).toEqual([]);
});

it("exports nothing that nobody uses, and depends on nothing it does not need", () => {
  const knip = join(root, "node_modules/.bin/knip");
  expect(() => execFileSync(knip, [], { cwd: root, encoding: "utf8" })).not.toThrow();
}, 120_000);
