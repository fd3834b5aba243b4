// Two Envoys that somebody else starts, as the runtime of containers does: one serves, the other
// stands by, and may be made anew before it takes over.

import type { ChildProcess } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { findEnvoy } from "../../envoy/find.ts";
import { ENVOY_FLAGS } from "../../envoy/process.ts";
import { eventually } from "../eventually.ts";
import { ALL, expectNoFailure, UpgradeLab } from "./upgrade-lab.ts";

const NONE = { idle: 0, busy: 0, halfClosed: 0 };

/** Starts an Envoy again whenever it ends, until it is closed. */
class EnvoyContainer {
  readonly #lab: UpgradeLab;
  readonly #command: readonly string[];
  #child: ChildProcess | undefined;
  #isClosed = false;
  starts = 0;

  constructor(lab: UpgradeLab, command: readonly string[]) {
    this.#lab = lab;
    this.#command = command;
    this.#start();
  }

  /** As a new image would: another process in the same place. */
  makeAnew(): void {
    this.#child?.kill("SIGTERM");
  }

  close(): void {
    this.#isClosed = true;
    this.#child?.kill("SIGKILL");
  }

  #start(): void {
    if (this.#isClosed) return;
    const [program = "", ...args] = this.#command;
    this.starts += 1;
    this.#child = this.#lab.node.spawn(program, args);
    this.#child.once("exit", () => this.#start());
  }
}

let lab: UpgradeLab;
let a: EnvoyContainer;
let b: EnvoyContainer;

beforeAll(async () => {
  lab = await UpgradeLab.make();
  lab.portico.envoyFlag = "--two-envoys";
  mkdirSync(lab.portico.runDirectory, { mode: 0o700 });
  [a, b] = [await container("a"), await container("b")];
  await lab.start();
});
afterAll(async () => {
  a?.close();
  b?.close();
  await lab?.close();
});

async function container(slot: string): Promise<EnvoyContainer> {
  const file = join(lab.portico.runDirectory, slot, "envoy.json");
  const bootstrap = ["bootstrap", "--slot", slot, "--node-name", "node-1", "--output", file];
  const { code, stderr } = await lab.portico.command(...bootstrap);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  const envoy = await findEnvoy(process.env, console.log);
  return new EnvoyContainer(lab, [envoy, "-c", file, ...ENVOY_FLAGS]);
}

async function standsBy(slot: string): Promise<void> {
  await eventually(`an Envoy that stands by in ${slot}`, 30_000, async () => {
    return (await lab.envoys()).standby?.directory.endsWith(`/${slot}`) ?? false;
  });
}

it("the one that stood by takes over, and the other stands by after its connections", async () => {
  await standsBy("b");
  expect((await lab.envoys()).active?.directory).toMatch(/\/a$/);
  const before = b.starts;
  b.makeAnew();
  await eventually("another in b", 30_000, async () => b.starts > before);
  await standsBy("b");

  const connections = await lab.longLived();
  onTestFinished(() => connections.close());
  const load = await lab.load();
  expect(await lab.replace("--drain-time", "1h")).toMatchObject({ code: 0, stderr: "" });
  expect((await lab.envoys()).active?.directory).toMatch(/\/b$/);
  await lab.portico.end("SIGKILL");
  await lab.start();
  expect(await connections.living(true)).toEqual(ALL);
  expect(await lab.envoys()).toMatchObject({ standby: null });
  expectNoFailure("the Envoy that stood by", await load.stop());

  const starts = a.starts;
  connections.close();
  await eventually("the end of the former Envoy", 50_000, async () => a.starts > starts);
  await standsBy("a");
}, 120_000);

it("and back, with connections that do not end before the drain time does", async () => {
  await standsBy("a");
  const connections = await lab.longLived();
  onTestFinished(() => connections.close());
  const load = await lab.load();
  expect(await lab.replace("--drain-time", "5s")).toMatchObject({ code: 0, stderr: "" });
  expect(await connections.living()).toEqual(ALL);
  await lab.drained();
  await eventually("the end of the old connections", 20_000, async () => {
    return (await connections.living()).idle === 0;
  });
  expect(await connections.living()).toEqual(NONE);
  await standsBy("b");
  expectNoFailure("and back", await load.stop());
}, 120_000);

it("says that nobody stands by, and what is not for it", async () => {
  await standsBy("b");
  b.close();
  await eventually("nobody in b", 20_000, async () => (await lab.envoys()).standby === null);
  const { code, stderr } = await lab.replace();
  expect(code).toBe(1);
  expect(stderr).toMatch(/no standby Envoy answers in .*\/b/);
  const named = await lab.replace("--envoy", "/bin/true");
  expect(named.stderr).toContain("--envoy is for an Envoy that the controller starts");
});
