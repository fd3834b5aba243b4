// What goes wrong around an upgrade, while connections run: an Envoy that does not come up, a
// controller that dies in the middle, an Envoy that hangs, one that is not what it should be.

import { chmodSync, writeFileSync } from "node:fs";
import { access, readlink } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { callController } from "../../controller/cli/control-client.ts";
import { ENVOY_PATH } from "../../controller/control/control-api.ts";
import type { EnvoyReplacement } from "../../controller/envoys/envoy-status.ts";
import { askAdmin } from "../../envoy/admin.ts";
import { findEnvoy } from "../../envoy/find.ts";
import { eventually } from "../eventually.ts";
import { serviceObjects } from "./portico-fixture.ts";
import { ALL, expectNoFailure, UDP_VIP, UpgradeLab, VIP } from "./upgrade-lab.ts";

let lab: UpgradeLab;
beforeAll(async () => {
  lab = await UpgradeLab.make();
});
afterAll(() => lab?.close());
beforeEach(() => {
  lab.args = ["--service-cidr", "10.96.0.0/16"];
});
afterEach(async (context) => {
  if (context.task.result?.state === "fail") console.log(lab.portico.log.slice(-6_000));
  await lab.portico.end("SIGKILL");
  await lab.portico.command("cleanup");
  lab.portico.log = "";
});

/** A program in the place of Envoy that says what version it is, and ends. */
function programOf(version: string): string {
  const file = join(lab.portico.manifests, "..", `envoy-${version}`);
  writeFileSync(file, `#!/bin/sh\necho "envoy  version: 0/${version}/Clean/RELEASE/BoringSSL"\n`);
  chmodSync(file, 0o755);
  return file;
}

it("a new Envoy that does not come up: the present one has noticed nothing", async () => {
  await lab.start();
  const connections = await lab.longLived();
  const load = await lab.load();
  const pid = await lab.pid();
  const dead = await lab.replace("--envoy", programOf("1.99.0"));
  expect(dead).toMatchObject({ code: 1, stdout: "" });
  expect(dead.stderr).toContain("the new Envoy exited (exit code 0); see the log");
  const old = await lab.replace("--envoy", programOf("1.20.7"));
  expect(old.stderr).toMatch(/envoy-1.20.7 is Envoy 1.20.7, and Portico needs 1.40.0 or newer/);
  const none = await lab.replace("--envoy", "/nowhere/envoy");
  expect(none.stderr).toContain("/nowhere/envoy is not an executable file");
  const squatter = lab.node.spawn(process.execPath, [
    "-e",
    'require("net").createServer().listen(15412, "0.0.0.0", () => console.log("listens"))',
  ]);
  await new Promise((resolve) => squatter.stdout?.once("data", resolve));
  const taken = await lab.replace();
  squatter.kill();
  expect(taken.stderr).toContain("Address already in use");
  expect(taken.stderr).toContain("--second-capture-ports");
  expect(await lab.envoys()).toMatchObject({ active: { pid }, draining: null });
  expect(await connections.living(true)).toEqual(ALL);
  connections.close();
  expectNoFailure("an Envoy that does not come up", await load.stop());
  await expect(access(join(lab.portico.runDirectory, "b"))).rejects.toThrow("ENOENT");
});

it("a controller that dies before the new Envoy took over: the next one ends that", async () => {
  await lab.start();
  const load = await lab.load();
  const pid = await lab.pid();
  const asked = ask({ drainMs: 60_000, endDraining: false }).catch(() => {});
  const second = join(lab.portico.runDirectory, "b");
  await eventually("the new Envoy", 20_000, () => exists(join(second, "envoy.pid")));
  await lab.portico.end("SIGKILL");
  await asked;
  const active = await readlink(join(lab.portico.runDirectory, "table.sock"));
  await lab.start();
  const { active: after, draining } = await lab.envoys();
  // Whether it was in time is chance; either way one Envoy serves, and the kernel leads to it.
  if (active === "a/table.sock") {
    expect(after?.pid).toBe(pid);
    expect(await exists(second)).toBe(false);
  } else {
    expect(draining?.directory).toContain("/a");
  }
  expectNoFailure("a controller that dies while Envoy is replaced", await load.stop());
});

it("a controller that dies between its note and the kernel's: the new Envoy serves", async () => {
  await lab.start();
  const connections = await lab.longLived();
  expect(await lab.replace("--drain-time", "1h")).toMatchObject({ code: 0 });
  // As if the last transaction had not been made: the rules still lead to the former Envoy.
  await lab.portico.end("SIGKILL");
  const now = await rules();
  expect(now).toMatch(TO_SECOND);
  const before = now.replaceAll(new RegExp(TO_SECOND, "g"), "$11540");
  await lab.node.exec("nft", ["-f", "-"], { input: `delete table inet portico\n${before}` });
  expect(await rules()).not.toMatch(TO_SECOND);
  const load = await lab.load();
  await lab.start();
  expect(await rules()).toMatch(TO_SECOND);
  expect(await connections.living(true)).toEqual(ALL);
  connections.close();
  expectNoFailure("a controller that dies in the middle", await load.stop());
});

it("an Envoy that hangs is killed, and another serves", async () => {
  lab.args = [...lab.args, "--envoy-hung-after", "4s"];
  await lab.start();
  const pid = await lab.pid();
  process.kill(pid, "SIGSTOP");
  await eventually("another Envoy", 30_000, async () => {
    const { active } = await lab.envoys().catch(() => ({ active: null }));
    return active !== null && active.pid !== pid;
  });
  expect(lab.portico.log).toContain(
    "Envoy is hung: its admin interface does not answer; killing it",
  );
  await lab.portico.synced(30_000);
  const dialer = await lab.node.pod("client").dialer();
  const { outcome } = await dialer.dialOnce(VIP, 80, { timeoutMs: 10_000 });
  expect(outcome).toBe("answered");
  const script = "process.stdout.write(await (await fetch(process.argv[1])).text())";
  const args = ["--input-type=module", "-e", script, "http://127.0.0.1:10249/metrics"];
  const metrics = await lab.node.exec(process.execPath, args);
  expect(metrics.stdout).toMatch(/^portico_envoy_hangs_total [1-9]/m);
  expect(lab.portico.log).toContain("EnvoyHung");
});

it("an Envoy that would be started otherwise now is named, and can be replaced", async () => {
  lab.args = [...lab.args, "--envoy-concurrency", "1"];
  await lab.start();
  expect((await lab.envoys()).active?.outdated).toEqual([]);
  await lab.portico.end("SIGKILL");
  lab.args = [...lab.args.slice(0, -1), "2"];
  await lab.start({ ENVOY: programOf("1.99.0") });
  const { active } = await lab.envoys();
  expect(active?.outdated).toEqual([
    expect.stringMatching(/^it is Envoy 1\.40\.\d+, and .*envoy-1\.99\.0 is 1\.99\.0$/),
    expect.stringMatching(/^its flags are .*--concurrency 1, and should be .*--concurrency 2$/),
  ]);
  const { stdout } = await lab.portico.command("envoy", "status");
  expect(stdout).toContain("fix: portico envoy replace");
  const { problems } = await lab.portico.status();
  expect(problems.map(({ object }) => object)).toEqual(["Envoy", "Envoy"]);
  await lab.portico.end("SIGKILL");
  await lab.start();
  expect(await lab.replace()).toMatchObject({ code: 0, stderr: "" });
  expect((await lab.portico.status()).problems).toEqual([]);
});

it("an Envoy of an earlier version goes on, and can be replaced", async () => {
  const file = join(lab.portico.manifests, "..", "envoy-as-before");
  const edit = `sed -i s/DELTA_GRPC/GRPC/ ${lab.portico.runDirectory}/*/envoy.json`;
  const real = await findEnvoy(process.env, console.log);
  const start = `unset EVENT_EPOLL_USE_CHANGELIST\nexec ${real} "$@"`;
  writeFileSync(file, `#!/bin/sh\n${edit} 2>/dev/null\n${start}\n`);
  chmodSync(file, 0o755);
  await lab.start({ ENVOY: file });
  const pid = await lab.pid();
  const connections = await lab.longLived();
  const load = await lab.load();
  await lab.portico.end("SIGKILL");
  await lab.start();
  expect(await lab.pid()).toBe(pid);
  expect((await lab.envoys()).active?.outdated).toEqual([
    expect.stringMatching(/^its bootstrap, .*envoy.json, is not what this version/),
    "its environment lacks EVENT_EPOLL_USE_CHANGELIST=1",
  ]);
  const sketch = { clusterIP: "10.96.0.55", port: 53, protocol: "UDP" } as const;
  const more = serviceObjects({ name: "more", endpoints: ["10.1.1.11"], ...sketch });
  lab.portico.write(lab.objects(more));
  const dialer = await lab.node.pod("client").dialer();
  const query = { protocol: "UDP", timeoutMs: 500 } as const;
  await eventually("an answer of the new Service", 20_000, async () => {
    return (await dialer.dialOnce(sketch.clusterIP, 53, query)).outcome === "answered";
  });
  lab.portico.write(lab.objects());
  await eventually("the end of its listener", 20_000, async () => {
    const { body } = await askAdmin(join(lab.portico.runDirectory, "admin.sock"), "/listeners");
    return body.includes(`/${UDP_VIP}:53/UDP`) && !body.includes(`/${sketch.clusterIP}:53/UDP`);
  });
  expect(await lab.replace()).toMatchObject({ code: 0, stderr: "" });
  expect((await lab.envoys()).active?.outdated).toEqual([]);
  expect(await connections.living(true)).toEqual(ALL);
  connections.close();
  expectNoFailure("an Envoy of an earlier version", await load.stop());
});

it("a UDP Service made while no controller was there: its listener comes first", async () => {
  await lab.start();
  await lab.portico.end("SIGKILL");
  const address = "10.96.0.54";
  const sketch = { clusterIP: address, port: 53, protocol: "UDP" } as const;
  lab.portico.write(
    lab.objects(serviceObjects({ name: "more", endpoints: ["10.1.1.11"], ...sketch })),
  );
  expect(await rules()).toContain(UDP_VIP);
  await lab.portico.start(lab.args);
  const element = `{ ${address} . 53 }`;
  const get = ["get", "element", "inet", "portico", "udp_keep_v4", element];
  await eventually("the rule", 20_000, async () => {
    const { code } = await lab.node.exec("nft", get, { allowFailure: true });
    return code === 0;
  });
  const { body } = await askAdmin(join(lab.portico.runDirectory, "admin.sock"), "/listeners");
  expect(body).toContain(`udp-keep/${address}:53/UDP`);
});

/** The rules that hand over to the second Envoy's ports. */
const TO_SECOND = /(tproxy ip6? to .*:)1541/;

async function rules(): Promise<string> {
  return (await lab.node.exec("nft", ["list", "table", "inet", "portico"])).stdout;
}

function ask(how: EnvoyReplacement): Promise<unknown> {
  const socket = join(lab.portico.runDirectory, "control.sock");
  return callController(socket, "PUT", ENVOY_PATH, Buffer.from(JSON.stringify(how)));
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
