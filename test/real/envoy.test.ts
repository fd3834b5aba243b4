// The supervisor and the bootstrap, with a real Envoy: started, adopted, restarted, ended.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { resolve } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { buildOf } from "../../controller/xds/check-plugin.ts";
import type { PluginCode } from "../../controller/xds/resources.ts";
import type { XdsServer } from "../../controller/xds/server.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import { CAPTURE, ECHO, ECHO_PORT, EnvoyFixture, PORTS, WITHIN } from "./envoy-fixture.ts";
import { compileTestPlugin } from "./test-plugins.ts";

let cluster: Cluster;
let node: ClusterNode;
let code: PluginCode;
let fixture: EnvoyFixture;
let xds: XdsServer;

beforeAll(async () => {
  ({ cluster, node } = await makeNode({ name: "a" }));
  await node.serve({ tcp: ECHO_PORT });
  const wasm = compileTestPlugin({ backend: ECHO, answers: true });
  code = { build: buildOf(wasm), wasm };
});
afterAll(() => cluster.close());
beforeEach(async () => {
  fixture = await EnvoyFixture.make(node);
  xds = await fixture.serveAll(code);
});
afterEach(async () => {
  await fixture.close();
  await xds.stop();
});

describe("an Envoy that is started", () => {
  it("serves, and listens nowhere but on the capture ports", async () => {
    await fixture.supervisor.start();
    await fixture.untilServing();
    await vi.waitFor(async () => expect(await fixture.listening()).toEqual(CAPTURE), WITHIN);
    for (const socket of ["admin.sock", "table.sock", "xds.sock"]) {
      expect((await stat(fixture.path(socket))).mode & 0o777).toBe(0o600);
    }
    const { body } = await fixture.get("admin.sock", "/server_info");
    expect(JSON.parse(body)).toMatchObject({ state: "LIVE", node: { id: "node-a" } });
  });

  it("has every descriptor it can have, and a connection limit below that", async () => {
    await fixture.supervisor.start();
    const limits = await readFile(`/proc/${fixture.supervisor.pid}/limits`, "utf8");
    const [, soft, hard] = /Max open files +(\d+) +(\d+)/.exec(limits) ?? [];
    expect(Number(soft)).toBeGreaterThan(1024);
    expect(soft).toBe(hard);
    const bootstrap = await readFile(fixture.path("envoy.json"), "utf8");
    const [, most] = /"max_active_downstream_connections": (\d+)/.exec(bootstrap) ?? [];
    expect(Number(most)).toBeGreaterThan(0);
    expect(Number(most)).toBeLessThan(Number(soft) / 2);
  });

  it("is not hurt by files that an earlier one left", async () => {
    await leaveStaleSocket(fixture.path("table.sock"));
    await leaveStaleSocket(fixture.path("admin.sock"));
    // A pid that lives and is no Envoy of ours.
    await writeFile(fixture.path("envoy.pid"), `${process.pid}\n`);
    await fixture.supervisor.start();
    await fixture.untilServing();
    expect(fixture.supervisor.pid).not.toBe(process.pid);
    expect(await fixture.version()).toMatchObject({ build: code.build });
  });

  it("is ended with its sockets and its pid file", async () => {
    await fixture.supervisor.start();
    const pid = fixture.supervisor.pid;
    await fixture.untilServing();
    await fixture.supervisor.stop();
    await expect(stat(`/proc/${pid}`)).rejects.toThrow();
    for (const name of ["admin.sock", "table.sock", "envoy.pid"]) {
      await expect(stat(fixture.path(name))).rejects.toThrow();
    }
    expect(await fixture.listening()).toEqual([]);
  });
});

describe("a controller that comes back", () => {
  it("finds the Envoy of one that was killed", async () => {
    const pid = await startAndBeKilled(fixture);
    await fixture.untilServing();
    await fixture.supervisor.start();
    expect(fixture.supervisor.pid).toBe(pid);
  });

  it("takes over the living Envoy, whose connections notice nothing", async () => {
    await fixture.supervisor.start();
    const pid = fixture.supervisor.pid as number;
    await fixture.untilServing();
    const held = await (await node.dialer()).open("127.0.0.1", PORTS.keep);
    await fixture.supervisor.release();
    await xds.stop();
    fixture.supervisor = fixture.makeSupervisor();
    xds = await fixture.serveAll(code);
    await fixture.supervisor.start();
    expect(fixture.supervisor.pid).toBe(pid);
    await vi.waitFor(() => expect(xds.connections()).toHaveLength(1), WITHIN);
    expect(await held.echo("still here")).toContain("still here");
    await fixture.untilServing();
    await held.close();
  });

  it("restarts an adopted Envoy too, when that dies", async () => {
    await fixture.supervisor.start();
    const pid = fixture.supervisor.pid as number;
    await fixture.supervisor.release();
    fixture.supervisor = fixture.makeSupervisor();
    await fixture.supervisor.start();
    process.kill(pid, "SIGKILL");
    await vi.waitFor(() => expect(fixture.supervisor.pid).not.toBe(pid), WITHIN);
    await fixture.untilServing();
    expect(await fixture.pidFile()).toBe(fixture.supervisor.pid);
  });
});

describe("an Envoy that dies", () => {
  it("is replaced within a second, and the new one is told everything", async () => {
    await fixture.supervisor.start();
    const pid = fixture.supervisor.pid as number;
    await fixture.untilServing();
    const killed = performance.now();
    process.kill(pid, "SIGKILL");
    await vi.waitFor(() => expect(fixture.supervisor.pid ?? pid).not.toBe(pid), WITHIN);
    await fixture.untilServing();
    expect(performance.now() - killed).toBeLessThan(1_000);
    const died = fixture.log.lines.find(({ message }) => message.startsWith("Envoy exited"));
    expect(died).toMatchObject({ level: "error", fields: { pid } });
  });

  it("has its log passed on", async () => {
    await fixture.supervisor.start();
    await fixture.untilServing();
    process.kill(fixture.supervisor.pid as number, "SIGTERM");
    await vi.waitFor(() => {
      const texts = fixture.log.lines.filter(({ fields }) => fields.from === "envoy");
      expect(texts.map(({ message }) => message)).toContain("main: caught ENVOY_SIGTERM");
    }, WITHIN);
  });
});

/** Another process starts Envoy, and is killed; returns Envoy's pid. */
async function startAndBeKilled({ options }: EnvoyFixture): Promise<number> {
  const script = `
    import { EnvoySupervisor } from ${JSON.stringify(resolve("envoy/supervise.ts"))};
    const log = { info() {}, warn() {}, error() {} };
    const supervisor = new EnvoySupervisor({ ...${JSON.stringify(options)}, log });
    await supervisor.start();
    process.stdout.write(String(supervisor.pid), () => process.kill(process.pid, "SIGKILL"));`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script]);
  let output = "";
  child.stdout.on("data", (data: Buffer) => {
    output += data;
  });
  const [, signal] = await once(child, "close");
  expect(signal).toBe("SIGKILL");
  return Number(output);
}

/** As after SIGKILL of its owner: the file stays, and nobody answers. */
async function leaveStaleSocket(path: string): Promise<void> {
  const script = `require("net").createServer().listen(${JSON.stringify(path)}, () =>
    process.kill(process.pid, "SIGKILL"))`;
  await node.exec(process.execPath, ["-e", script], { allowFailure: true });
  const server = createServer();
  await expect(
    new Promise((resolve, reject) => server.once("error", reject).listen(path, () => resolve(0))),
  ).rejects.toThrow("EADDRINUSE");
}
