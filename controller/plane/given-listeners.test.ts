import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { captureListeners, redirectListeners } from "../xds/resources.ts";
import { DEFAULT_TCP_OPTIONS } from "../xds/tcp-options.ts";
import { GivenListeners } from "./given-listeners.ts";

const PORTS = { keep: 15401, host: 15402, local: 15403, masquerade: 15404 };
const WANTED = captureListeners(PORTS, ["IPv4"], DEFAULT_TCP_OPTIONS);
const OTHERS = captureListeners(PORTS, ["IPv4"], { ...DEFAULT_TCP_OPTIONS, keepalive: undefined });
const NAMES = ["capture-keep", "capture-host", "capture-local", "capture-masquerade"];

function makeDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "portico-given-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

it("gives a later controller's Envoy what it has, until it is another Envoy", async () => {
  const directory = makeDirectory();
  expect(await new GivenListeners(directory, WANTED).listeners(true)).toEqual(WANTED);
  const later = new GivenListeners(directory, OTHERS);
  const listeners = await later.listeners(false);
  expect(listeners).toEqual(WANTED);
  expect(later.outdated).toEqual(NAMES);
  // The same object: nothing is sent again.
  expect(await later.listeners(false)).toBe(listeners);
  expect(await later.listeners(true)).toEqual(OTHERS);
  expect(later.outdated).toEqual([]);
  expect(await new GivenListeners(directory, WANTED).listeners(false)).toEqual(OTHERS);
});

it("adds what is wanted later, and leaves it there when it is no longer", async () => {
  const given = new GivenListeners(makeDirectory(), WANTED);
  await given.listeners(true);
  const ports = { keep: 15405, masquerade: 15406, local: 15407 };
  const more = [...WANTED, ...redirectListeners(ports, ["IPv4"], DEFAULT_TCP_OPTIONS)];
  given.want(more);
  expect(await given.listeners(false)).toEqual(more);
  given.want(WANTED);
  expect(await given.listeners(false)).toEqual(more);
  expect(given.outdated).toEqual([]);
});

it("takes an Envoy of which nothing was noted for one that may be changed", async () => {
  const given = new GivenListeners(makeDirectory(), WANTED);
  expect(await given.listeners(false)).toEqual(WANTED);
  expect(given.outdated).toEqual([]);
});

it("names the file that cannot be written", async () => {
  const given = new GivenListeners("/nowhere", WANTED);
  await expect(given.listeners(true)).rejects.toThrow("/nowhere/envoy.listeners.json");
});

it.each([
  ["half of it is missing", (file: string) => writeFileSync(file, "[{")],
  ["it is empty", (file: string) => writeFileSync(file, "")],
  ["it is something else", (file: string) => writeFileSync(file, "{}")],
  ["it cannot be read", (file: string) => mkdirSync(file)],
])("changes no listener for a file that says nothing: %s", async (_, spoil) => {
  const directory = makeDirectory();
  const file = join(directory, "envoy.listeners.json");
  spoil(file);
  const given = new GivenListeners(directory, WANTED);
  const remedy = /cannot use .*; if that persists: portico envoy replace/;
  await expect(given.listeners(false)).rejects.toThrow(file);
  await expect(given.listeners(false)).rejects.toThrow(remedy);
  rmSync(file, { recursive: true });
  expect(await given.listeners(true)).toEqual(WANTED);
});
