import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { rename } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { buildOf } from "../xds/check-plugin.ts";
import { PluginFile } from "./plugin-file.ts";

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "portico-plugin-file-"));
  path = join(directory, "portico.wasm");
});
afterEach(() => rmSync(directory, { recursive: true }));

const SHIPPED = { build: "shipped", source: "shipped" };

/** Follows `path` next to a plugin that accepts everything but "bad". */
class Followed {
  status = SHIPPED;
  hasEnvoy = true;
  now = 0;
  notes: string[] = [];
  problem: string | undefined;
  attempts = 0;
  #next: () => unknown = () => {};
  readonly file = new PluginFile({
    path,
    plugin: {
      load: async (wasm, source) => {
        this.attempts += 1;
        if (Buffer.from(wasm).equals(Buffer.from("bad"))) throw new Error("it is bad");
        this.status = { build: buildOf(wasm), source };
      },
      reset: async () => {
        this.status = SHIPPED;
      },
      status: () => this.status,
    },
    isEnvoyConnected: () => this.hasEnvoy,
    clock: {
      now: () => this.now,
      after: (_delayMs, callback) => {
        this.#next = callback;
        return () => {};
      },
    },
    loaded: (note) => this.notes.push(note),
    refused: (problem) => {
      this.problem = problem;
    },
  });

  /** Runs the next look to its end. */
  async look(): Promise<void> {
    this.now += 2_000;
    await this.#next();
  }
}

function following(): Followed {
  const followed = new Followed();
  followed.file.start();
  return followed;
}

it("loads a file that appears, once, and goes back when it is gone", async () => {
  const followed = following();
  await followed.look();
  expect(followed.status).toEqual(SHIPPED);
  writeFileSync(path, "one");
  await followed.look();
  await followed.look();
  expect(followed.status).toEqual({ build: buildOf(Buffer.from("one")), source: path });
  expect(followed.attempts).toBe(1);
  rmSync(path);
  await followed.look();
  expect(followed.status).toEqual(SHIPPED);
  expect(followed.notes).toEqual([
    expect.stringContaining("it replaced shipped"),
    expect.stringContaining(`${path} is gone`),
  ]);
});

it("sees the link of a mounted ConfigMap turn to other data", async () => {
  for (const [folder, content] of Object.entries({ first: "one", second: "two" })) {
    mkdirSync(join(directory, folder));
    writeFileSync(join(directory, folder, "portico.wasm"), content);
  }
  symlinkSync("first", join(directory, "..data"));
  symlinkSync("..data/portico.wasm", path);
  const followed = following();
  await followed.look();
  expect(followed.status.build).toBe(buildOf(Buffer.from("one")));
  symlinkSync("second", join(directory, "..data_tmp"));
  await rename(join(directory, "..data_tmp"), join(directory, "..data"));
  await followed.look();
  expect(followed.status.build).toBe(buildOf(Buffer.from("two")));
});

it("tells why a file is refused, keeps the present one, tries again after a minute", async () => {
  const followed = following();
  writeFileSync(path, "bad");
  await followed.look();
  await followed.look();
  expect(followed.problem).toBe(
    `the plugin ${path}, build ${buildOf(Buffer.from("bad"))} is rejected: it is bad; ` +
      "shipped stays in service",
  );
  expect([followed.status, followed.attempts]).toEqual([SHIPPED, 1]);
  followed.now += 60_000;
  await followed.look();
  expect(followed.attempts).toBe(2);
  writeFileSync(path, "good");
  await followed.look();
  expect([followed.problem, followed.status.source]).toEqual([undefined, path]);
});

it("waits for an Envoy that can try it", async () => {
  const followed = following();
  followed.hasEnvoy = false;
  writeFileSync(path, "one");
  await followed.look();
  expect([followed.attempts, followed.problem]).toEqual([0, undefined]);
  followed.hasEnvoy = true;
  await followed.look();
  expect(followed.status.source).toBe(path);
});

it("lets a plugin that was loaded by hand be, until the file changes", async () => {
  const followed = following();
  writeFileSync(path, "one");
  await followed.look();
  const byHand = { build: "by-hand", source: "/root/mine.wasm" };
  followed.status = byHand;
  await followed.look();
  expect(followed.status).toBe(byHand);
  writeFileSync(path, "two");
  await followed.look();
  expect(followed.status.source).toBe(path);
});

it("is asked for the plugin to begin with, if there is one", async () => {
  const followed = new Followed();
  expect(await followed.file.first()).toBeUndefined();
  writeFileSync(path, "one");
  expect(await followed.file.first()).toEqual({ wasm: Buffer.from("one"), source: path });
});
