// A new controller, a new plugin, a new Envoy, each while connections run: no new connection and no
// query fails, and connections that live long go on, beside a new Envoy for its drain time.

import { readFileSync, writeFileSync } from "node:fs";
import { access, readlink } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from "vitest";
import { eventually } from "../eventually.ts";
import { withOtherBuild } from "./test-plugins.ts";
import { ALL, expectNoFailure, type LongLivedConnections, UpgradeLab } from "./upgrade-lab.ts";

const NONE = { idle: 0, busy: 0, halfClosed: 0 };

let lab: UpgradeLab;
beforeAll(async () => {
  lab = await UpgradeLab.make();
  await lab.start();
});
afterAll(() => lab?.close());
beforeEach((context) => {
  onTestFinished(() => {
    if (context.task.result?.state === "fail") console.log(lab.portico.log.slice(-6_000));
  });
});

async function longLived(): Promise<LongLivedConnections> {
  const connections = await lab.longLived();
  onTestFinished(() => connections.close());
  expect(await connections.living()).toEqual(ALL);
  return connections;
}

function otherPlugin(name: string): string {
  const file = join(lab.portico.manifests, "..", `${name}.wasm`);
  const shipped = readFileSync(join(import.meta.dirname, "../../build/portico.wasm"));
  writeFileSync(file, withOtherBuild(shipped, name));
  return file;
}

it("a new controller: nobody notices", async () => {
  const connections = await longLived();
  const load = await lab.load();
  const pid = await lab.pid();
  await lab.portico.end("SIGKILL");
  expect(await connections.living()).toEqual(ALL);
  await lab.start();
  expect(await connections.living(true)).toEqual(ALL);
  expectNoFailure("a new controller", await load.stop());
  expect(await lab.pid()).toBe(pid);
});

it("a new plugin: nobody notices, and new connections use it", async () => {
  const connections = await longLived();
  const load = await lab.load();
  const { code, stderr } = await lab.portico.command("plugin", "load", otherPlugin("upgrade"));
  expect(stderr).toBe("");
  expect(code).toBe(0);
  expect(await connections.living(true)).toEqual(ALL);
  expectNoFailure("a new plugin", await load.stop());
  expect((await lab.portico.status()).plugin.source).toContain("upgrade.wasm");
});

it("a new Envoy: new connections go to it, the others go on in the old one", async () => {
  const connections = await longLived();
  const load = await lab.load();
  const before = await lab.pid();
  const late = await lab.udpFlowWithLateAnswer();
  const chosen = await lab.chosen();
  expect(await lab.askInSameUdpFlow()).toBe("answered");
  expect(new Set(chosen)).toEqual(new Set(["web", "web-2"]));
  const begin = performance.now();
  const { code, stderr } = await lab.replace("--drain-time", "1h");
  const tookMs = Math.round(performance.now() - begin);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  console.log(`portico envoy replace took ${tookMs} ms`);
  const { active, draining } = await lab.envoys();
  expect(active?.pid).not.toBe(before);
  expect(active?.outdated).toEqual([]);
  expect(Date.parse(draining?.until ?? "") - Date.now()).toBeGreaterThan(3_000_000);
  expect(await connections.living(true)).toEqual(ALL);
  expect(await late.answerNow()).toBe("late");
  expect(await lab.askInSameUdpFlow()).toBe("answered");
  expect(await lab.chosen()).toEqual(chosen);
  await eventually("the old connections counted in the old Envoy", 20_000, async () => {
    return (await lab.envoys()).draining?.connections === 24;
  });

  const other = await longLived();
  await lab.portico.end("SIGKILL");
  await lab.start();
  expect(await connections.living(true)).toEqual(ALL);
  expect((await lab.envoys()).active?.pid).toBe(active?.pid);
  expect((await lab.envoys()).draining?.until).toBe(draining?.until);
  expectNoFailure("a new Envoy, and then a new controller", await load.stop());

  const again = await lab.replace();
  expect(again.code).toBe(1);
  expect(again.stderr).toContain("keeps its connections");
  expect(again.stderr).toContain("--end-draining");
  const second = await lab.load();
  const shortly = ["--end-draining", "--drain-time", "5s"];
  expect(await lab.replace(...shortly)).toMatchObject({ code: 0 });
  await eventually("the end of the first connections", 20_000, async () => {
    return (await connections.living()).idle === 0;
  });
  expect(await connections.living()).toEqual(NONE);
  await lab.drained();
  expect(await other.living()).toEqual(NONE);
  expectNoFailure("another Envoy, until its drain time is over", await second.stop());
  expect(await readlink(join(lab.portico.runDirectory, "table.sock"))).toBe("a/table.sock");
  await expect(access(join(lab.portico.runDirectory, "b"))).rejects.toThrow("ENOENT");
});

it("an Envoy whose connections have ended is ended before its drain time is over", async () => {
  const connections = await longLived();
  expect(await lab.replace("--drain-time", "1h")).toMatchObject({ code: 0 });
  expect(await connections.living(true)).toEqual(ALL);
  connections.close();
  // The flows that the load left end by themselves.
  await eventually("the end of the former Envoy", 50_000, async () => {
    return (await lab.envoys()).draining === null;
  });
  expect(lab.portico.log).toContain("no connections were left");
});
