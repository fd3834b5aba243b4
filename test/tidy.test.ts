// The shape of the code base, held by a test: sizes, widths, which room may import from which and
// which are pure, nothing exported without a use, and no function exported without a docstring.
// Function lengths are Biome's (biome.json).

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, it } from "vitest";
import { bannedIn, EXCEPTIONS } from "./banned-words.ts";

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

/**
 * The way of data: a room may import from its own and from those above it. `watch` makes the
 * model's types of what it reads, so the model comes first. Those of one line know nothing of each
 * other.
 */
const ROOMS = [
  ["plugin/wire", "controller/model", "controller/linker"],
  ["controller/system"],
  ["controller/kubeconfig", "controller/functions"],
  ["controller/watch"],
  ["controller/node", "controller/http", "controller/kernel-watch"],
  ["controller/wire", "controller/capture", "controller/xds"],
  ["controller/table", "envoy"],
  ["controller/sync", "controller/health", "controller/explain", "controller/check"],
  ["controller/doctor", "controller/observe"],
  ["controller/config"],
  ["controller/plane", "controller/page"],
  ["controller/envoys", "controller/rollout", "controller/guard"],
  ["controller/control"],
  ["controller/daemon"],
  ["controller/cli"],
];

const PURE_ROOMS = ["model", "linker", "node", "wire", "explain", "doctor"].map(
  (room) => `controller/${room}`,
);
const COMMENTS = /\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm;
/** What comes from Node, from this machine or from its clock, or is waited for. */
const IMPURE = new RegExp(
  [
    `^import [^;]*"(?:node:[^"]*|[./]*/(?:system|http|table)/[^"]*)"`,
    String.raw`(?<![\w.])(?:process|performance|globalThis|crypto|console)\.\w+`,
    String.raw`(?<![\w.])(?:fetch|setTimeout|setInterval|setImmediate|queueMicrotask)\(`,
    String.raw`\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\basync\b|\bawait\b`,
  ].join("|"),
  "gm",
);
/** Functions of Node that are pure. Take out of the list what is no longer used. */
const PURE_FROM_NODE = [
  'controller/model/ip.ts: import { isIPv4, isIPv6 } from "node:net"',
  'controller/wire/service-id.ts: import { hash } from "node:crypto"',
];

/** An exported function whose line follows no end of a comment. */
const UNDESCRIBED_FUNCTION = /(?<!\*\/\n)^export (?:async )?function\*? (\w+)/gm;

/** The name that one entry of an import takes from its file. */
const NAME = /^(?:type\s+)?(\w+)/;
const EXPORTED_TYPE = /^export (?:interface|type|(?:abstract )?class|enum) (\w+)/gm;

function rank(path: string): number {
  return ROOMS.findIndex((rooms) => rooms.some((room) => path.startsWith(`${room}/`)));
}

/** In another room of the same line. */
function isNeighbour(path: string, other: string): boolean {
  const roomOf = (each: string) => ROOMS.flat().find((room) => each.startsWith(`${room}/`));
  return rank(path) === rank(other) && roomOf(path) !== roomOf(other);
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

it("spreads no object literal into another literal: its fields stand there themselves", () => {
  const spreads = sources.flatMap(({ path, text }) =>
    text
      .split("\n")
      .flatMap((line, index) =>
        /\.{3}\s*\{/.test(line) ? [`${path}:${index + 1} spreads an object literal`] : [],
      ),
  );
  expect(spreads).toEqual([]);
});

it("has every file of the controller in a room that has a rank", () => {
  const product = sources.filter(({ path }) => /^(controller|envoy)\//.test(path));
  const homeless = product.filter(({ path }) => rank(path) < 0);
  expect(homeless.map(({ path }) => path)).toEqual([]);
});

it("imports along the way of data only", () => {
  const against = sources
    .filter(({ path }) => rank(path) >= 0 && !path.endsWith(".test.ts"))
    .flatMap((source) =>
      importsOf(source)
        .filter((target) => rank(target) > rank(source.path) || isNeighbour(target, source.path))
        .map((target) => `${source.path} imports ${target}`),
    );
  expect(against).toEqual([]);
});

it("draws and lists the rooms in ARCHITECTURE.md in that order", () => {
  const text = readFileSync(join(root, "ARCHITECTURE.md"), "utf8");
  const rooms = ROOMS.flat();
  const rows = [...text.matchAll(/^\| `([a-z/-]+?)\/?` \|/gm)].map(([, room = ""]) => room);
  expect(rows.filter((room) => rooms.includes(room))).toEqual(rooms);
  const drawn = [...text.matchAll(/^ {4,8}[→ ] ?(controller\/[a-z-]+) {2}/gm)];
  const places = drawn.map(([, room = ""]) => rooms.indexOf(room));
  const [watch = 0, model = 0, ...others] = places;
  expect(model).toBeLessThan(watch);
  expect([watch, ...others]).toEqual([watch, ...others].toSorted((a, b) => a - b));
  expect(places).not.toContain(-1);
});

it("does no I/O and reads no clock in the rooms that are pure", () => {
  const room = new RegExp(`^(${PURE_ROOMS.join("|")})/`);
  const impure = sources
    .filter(({ path }) => room.test(path) && !path.endsWith(".test.ts"))
    .flatMap(({ path, text }) => {
      const code = text.replace(COMMENTS, "");
      return [...code.matchAll(IMPURE)].map(([found]) => `${path}: ${found}`);
    });
  expect(impure.sort()).toEqual(PURE_FROM_NODE);
});

it("says of every exported function what it gives", () => {
  const undocumented = sources
    .filter(({ path }) => /^(controller|envoy)\//.test(path) && !path.endsWith(".test.ts"))
    .flatMap(({ path, text }) =>
      [...text.matchAll(UNDESCRIBED_FUNCTION)].map(([, name]) => `${path}: ${name} says nothing`),
    );
  expect(undocumented).toEqual([]);
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

it("words the product's texts plainly", () => {
  const product = sources.filter(
    ({ path }) => /^(controller|envoy)\//.test(path) && !path.endsWith(".test.ts"),
  );
  const found = product.flatMap(bannedIn);
  // An exception that no text needs any more goes: the list only shrinks.
  const unused = EXCEPTIONS.filter((text) => !found.some((each) => each.startsWith(text)));
  expect(unused).toEqual([]);
  expect(found.filter((each) => !EXCEPTIONS.some((text) => each.startsWith(text)))).toEqual([]);
  const sample = { path: "sample.ts", text: 'log.info("somebody is told anew");' };
  expect(bannedIn(sample)).toHaveLength(1);
});

it("exports nothing that nobody uses, and depends on nothing it does not need", () => {
  const knip = join(root, "node_modules/.bin/knip");
  expect(() => execFileSync(knip, [], { cwd: root, encoding: "utf8" })).not.toThrow();
}, 120_000);

it("exports no type that no other file imports", () => {
  const named = /^(?:import|export)\s+(?:type\s+)?\{([^}]*)\}\s+from\s+"(\.[^"]*)"/gm;
  const imported = new Set(
    sources.flatMap(({ path, text }) =>
      [...text.matchAll(named)].flatMap(([, names = "", specifier = ""]) => {
        const target = relative(root, resolve(root, dirname(path), specifier));
        return names.split(",").map((name) => `${target} ${name.trim().match(NAME)?.[1]}`);
      }),
    ),
  );
  // asc does not find the fields of a class that another file only uses unless it is exported.
  const typescript = sources.filter(({ path }) => !/^(plugin|functions)\//.test(path));
  const unused = typescript.flatMap(({ path, text }) =>
    [...text.matchAll(EXPORTED_TYPE)]
      .map(([, name]) => `${path} ${name}`)
      .filter((type) => !imported.has(type)),
  );
  expect(unused).toEqual([]);
});

it("keeps what only tests use out of the product", () => {
  const knip = join(root, "node_modules/.bin/knip");
  const args = ["--production", "--include", "files,exports"];
  expect(() => execFileSync(knip, args, { cwd: root, encoding: "utf8" })).not.toThrow();
}, 120_000);
