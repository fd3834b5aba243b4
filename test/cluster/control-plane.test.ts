// What the other tests stand on: a control plane inside a network namespace, one that stands still,
// and one that leaves nothing behind.

import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runCommand } from "../namespaces/command.ts";
import { ControlPlane } from "./control-plane.ts";
import { Follower } from "./follower.ts";
import { Objects } from "./objects.ts";

const SECONDS = { timeout: 10_000, interval: 10 };
const ADDRESS = "192.0.2.1";
const namespace = `pcp${process.pid}`;
let plane: ControlPlane;
let tries = 0;

beforeAll(async () => {
  await runCommand("ip", ["netns", "add", namespace]);
  await runCommand("ip", ["-n", namespace, "link", "set", "lo", "up"]);
  await runCommand("ip", ["-n", namespace, "address", "add", `${ADDRESS}/32`, "dev", "lo"]);
  const prefix = ["ip", "netns", "exec", namespace];
  plane = await ControlPlane.start({ prefix, address: ADDRESS });
}, 900_000);

afterAll(async () => {
  await plane?.stop();
  await runCommand("ip", ["netns", "delete", namespace]);
});

it("is reached from outside its network namespace, and has its own address inside", async () => {
  expect(plane.server).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
  expect(plane.innerServer).toMatch(/^https:\/\/192\.0\.2\.1:\d+$/);
  const { core } = new Objects(plane.kubeConfig());
  const names = async () => {
    const { items } = await core.listNamespacedService({ namespace: "default" });
    return items.map((service) => service.metadata?.name);
  };
  await expect.poll(names, SECONDS).toEqual(["kubernetes"]); // made soon after it is ready
  const prefix = ["netns", "exec", namespace, process.execPath, "-e"];
  const script = `fetch("${plane.innerServer}/version").then(async (r) => console.log(r.status))`;
  const env = { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: "0" };
  const { stdout } = await runCommand("ip", [...prefix, script], { env });
  expect(stdout.trim()).toBe("200");
});

it("stands still when told, and nothing is lost when it goes on", async () => {
  tries += 1;
  const objects = new Objects(plane.kubeConfig(), `paused-${tries}`);
  await objects.createNamespace();
  const before = new Follower(plane.access("proxy"));
  await expect.poll(() => before.state.isSynced(), SECONDS).toBe(true);
  plane.pauseApiServer();
  const during = new Follower(plane.access("proxy"));
  const created = objects.createService({ name: "orders", spec: { ports: [{ port: 80 }] } });
  plane.resumeApiServer();
  await created;
  for (const follower of [before, during]) {
    const names = () => follower.serviceNames(objects.namespace);
    await expect.poll(names, SECONDS).toEqual(["orders"]);
    expect(follower.failureCodes).toEqual([]);
    await follower.stop();
  }
});

it("leaves no file and no process behind", async () => {
  const other = await ControlPlane.start();
  const directory = dirname(dirname(other.kubeconfigFile()));
  expect(existsSync(directory)).toBe(true);
  await other.stop();
  expect(existsSync(directory)).toBe(false);
  const processes = await runCommand("ps", ["-eo", "args"]);
  expect(processes.stdout).not.toContain(directory);
});
