// What goes wrong on a node, while connections run: real Envoy, real rules, real processes.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import type { Dialer } from "../namespaces/dialer.ts";
import { nodeObject, PorticoProcess, serviceObjects } from "./portico-fixture.ts";
import { withOtherBuild } from "./test-plugins.ts";

const VIP = "10.96.0.10";
const OTHER_VIP = "10.96.0.11";
const POD_1 = "10.1.1.11";
const POD_2 = "10.1.1.12";

let cluster: Cluster;
let node: ClusterNode;
let client: Dialer;
let portico: PorticoProcess;

function objects(endpoints: readonly string[], others: ReturnType<typeof serviceObjects> = []) {
  const web = serviceObjects({ name: "web", clusterIP: VIP, endpoints });
  return [nodeObject("node-1", node.address), ...web, ...others];
}

beforeAll(async () => {
  const pods = { client: "10.1.1.10", "web-1": POD_1, "web-2": POD_2 };
  ({ cluster, node } = await makeNode({ name: "node-1", pods }));
  await node.pod("web-1").serve({ tcp: 8080 });
  await node.pod("web-2").serve({ tcp: 8080 });
  client = await node.pod("client").dialer();
});
afterAll(() => cluster?.close());

beforeEach(() => {
  portico = new PorticoProcess(node);
  portico.write(objects([POD_1]));
});
afterEach((context) => {
  if (context.task.result?.state === "fail") console.log(portico.log);
  return portico.close();
});

const CIDR = ["--service-cidr", "10.96.0.0/16"];

async function names(address: string, tries = 12): Promise<Set<string>> {
  const results = await client.dial(address, 80, { tries });
  expect(results.map(({ outcome }) => outcome)).toEqual(Array(tries).fill("answered"));
  return new Set(results.map(({ name }) => name));
}

async function answersFrom(address: string, wanted: readonly string[]): Promise<void> {
  await eventually(`${address} answered by ${wanted.join(", ")}`, 5_000, async () => {
    const results = await client.dial(address, 80, { tries: 8 });
    const seen = new Set(results.map(({ name }) => name));
    return wanted.length === seen.size && wanted.every((name) => seen.has(name));
  });
}

function envoyPid(): number {
  return Number(readFileSync(join(portico.runDirectory, "envoy.pid"), "utf8"));
}

/**
 * Its connections die with it, those that nobody accepted yet too; so wait until it is gone with
 * all its threads, which hold the listening sockets to the last.
 */
async function killEnvoy(): Promise<void> {
  const pid = envoyPid();
  process.kill(pid, "SIGKILL");
  await eventually("the end of Envoy", 5_000, async () => {
    const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    return threads.length <= 1 && (stat === "" || / Z /.test(stat));
  });
}

describe("the controller", () => {
  it("is killed under traffic: nothing notices, what changed meanwhile is applied", async () => {
    await portico.start(CIDR);
    await portico.synced();
    const held = await client.open(VIP, 80);
    const load = await client.load(VIP, 80, 4);
    await portico.end("SIGKILL");
    portico.write(
      objects([POD_2], serviceObjects({ name: "new", clusterIP: OTHER_VIP, endpoints: [POD_1] })),
    );
    expect(await names(VIP)).toEqual(new Set(["web-1"]));
    await portico.start(CIDR);
    await answersFrom(VIP, ["web-2"]);
    await answersFrom(OTHER_VIP, ["web-1"]);
    const { outcomes } = await load.stop();
    expect(Object.keys(outcomes)).toEqual(["answered"]);
    expect(outcomes.answered).toBeGreaterThan(50);
    expect(await held.echo("still here")).toBe("still here");
    await held.close();
  });

  it("is stopped: Services go on, and the same Envoy is taken over afterwards", async () => {
    await portico.start(CIDR);
    await portico.synced();
    const pid = envoyPid();
    expect(await portico.end("SIGTERM")).toBe(0);
    expect(await names(VIP)).toEqual(new Set(["web-1"]));
    await portico.start(CIDR);
    await portico.synced();
    expect(envoyPid()).toBe(pid);
  });

  it("is refused when another Portico runs on the node, and says which", async () => {
    await portico.start(CIDR);
    await portico.synced();
    const second = new PorticoProcess(node);
    second.write([]);
    await second.start();
    expect(await second.ended()).toBe(1);
    expect(second.log).toContain("another Portico runs on this node (pid ");
    expect(second.log).toContain(portico.runDirectory);
    await second.close();
    expect(await names(VIP)).toEqual(new Set(["web-1"]));
  });

  it("takes the place of sockets that a killed one left", async () => {
    await portico.start(CIDR);
    await portico.synced();
    await portico.end("SIGKILL");
    await killEnvoy();
    for (const name of ["control.sock", "xds.sock", "table.sock", "admin.sock"]) {
      writeFileSync(join(portico.runDirectory, `${name}.note`), name);
    }
    await portico.start(CIDR);
    await answersFrom(VIP, ["web-1"]);
  });
});

describe("Envoy", () => {
  it("is killed: it comes back with its table before it accepts, and nobody is reset", async () => {
    await portico.start(CIDR);
    await portico.synced();
    expect(await names(VIP)).toEqual(new Set(["web-1"]));
    await killEnvoy();
    const begin = performance.now();
    const results = await client.dial(VIP, 80, { tries: 1, timeoutMs: 5_000 });
    expect(results[0]?.outcome).toBe("answered");
    const outageMs = performance.now() - begin;
    console.log(`from the kill of Envoy to the first answer: ${Math.round(outageMs)} ms`);
    expect(await names(VIP)).toEqual(new Set(["web-1"]));
  });

  it("finds its port taken: nothing is handed over until it is free", async () => {
    const squatter = node.spawn(process.execPath, [
      "-e",
      'require("net").createServer().listen(15401, "0.0.0.0")',
    ]);
    await eventually("the squatter", 5_000, async () => {
      return (await node.exec("ss", ["-Hltn", "sport = 15401"])).stdout !== "";
    });
    await portico.start([...CIDR, "--sync-period", "1s"]);
    await eventually("the taken port in the status", 10_000, async () => {
      const status = await portico.status().catch(() => undefined);
      return status?.lastSync?.error.includes("Address already in use") ?? false;
    });
    await eventually("a third try", 10_000, async () => {
      return portico.log.split("Envoy rejected its configuration").length > 3;
    });
    expect((await portico.status()).lastSync?.error).toContain("Address already in use");
    expect((await node.exec("nft", ["list", "ruleset"])).stdout).not.toContain(VIP);
    squatter.kill();
    await portico.synced();
    expect(await names(VIP)).toEqual(new Set(["web-1"]));
  });
});

describe("the kernel", () => {
  it("lost its rules to somebody: they come back within a sync period", async () => {
    await portico.start([...CIDR, "--sync-period", "500ms"]);
    await portico.synced();
    expect(await names(VIP)).toEqual(new Set(["web-1"]));
    await node.exec("nft", ["delete", "table", "inet", "portico"]);
    await answersFrom(VIP, ["web-1"]);
  });

  it("has no nft: the sync says so and tries again, and Envoy has its table", async () => {
    const path = join(portico.runDirectory, "..", "bin");
    execFileSync("mkdir", [path]);
    for (const program of ["ip", "sh", "mv"]) {
      const found = execFileSync("sh", ["-c", `command -v ${program}`], {
        encoding: "utf8",
      }).trim();
      execFileSync("ln", ["-s", found, join(path, program)]);
    }
    await portico.start(CIDR, { PATH: path });
    await eventually("the missing nft in the status", 10_000, async () => {
      const status = await portico.status().catch(() => undefined);
      return status?.lastSync?.error.includes("nft: missing") ?? false;
    });
    const { lastSync } = await portico.status();
    expect(lastSync?.error).toContain("apt install nftables");
    const { stdout } = await portico.command("services");
    expect(stdout).toContain(`${VIP}:80/TCP`);
    const found = execFileSync("sh", ["-c", "command -v nft"], { encoding: "utf8" }).trim();
    execFileSync("ln", ["-s", found, join(path, "nft")]);
    await answersFrom(VIP, ["web-1"]);
  });
});

describe("input", () => {
  it("breaks in one file: it is named, and what was good stays", async () => {
    await portico.start(CIDR);
    await portico.synced();
    writeFileSync(join(portico.manifests, "objects.json"), '{"kind": "List", "items": [');
    await eventually("the broken file in the status", 5_000, async () => {
      const { problems } = await portico.status();
      return problems.some(({ object }) => object.includes("objects.json"));
    });
    expect(await names(VIP)).toEqual(new Set(["web-1"]));
    portico.write(objects([POD_1, POD_2]));
    await answersFrom(VIP, ["web-1", "web-2"]);
    expect((await portico.status()).problems).toEqual([]);
  });
});

describe("a plugin that is loaded", () => {
  /** The shipped one under another name. */
  function otherPlugin(name: string): string {
    const file = join(portico.manifests, `${name}.wasm`);
    const shipped = readFileSync(join(import.meta.dirname, "../../build/portico.wasm"));
    writeFileSync(file, withOtherBuild(shipped, name));
    return file;
  }

  it("while no Envoy can try it: is refused, and going back is not", async () => {
    await portico.start(CIDR);
    await portico.synced();
    expect((await portico.command("plugin", "load", otherPlugin("kept"))).code).toBe(0);
    await portico.end("SIGTERM");
    await killEnvoy();
    await portico.start(CIDR, { ENVOY: "/bin/false" });
    await eventually("the controller", 10_000, async () => {
      return (await portico.command("plugin", "status")).stdout.includes("kept.wasm");
    });
    const { code, stderr } = await portico.command("plugin", "load", otherPlugin("other"));
    expect(stderr).toContain("no Envoy is connected to try it");
    expect(code).toBe(1);
    expect((await portico.status()).plugin.source).toContain("kept.wasm");
    expect((await portico.command("plugin", "reset")).code).toBe(0);
    expect((await portico.status()).plugin.source).toBe("shipped");
  });

  it("and cannot be kept: is said to serve until the next start", async () => {
    await portico.start(CIDR);
    await portico.synced();
    mkdirSync(join(portico.runDirectory, "plugin.wasm.new"));
    const { code, stderr } = await portico.command("plugin", "load", otherPlugin("other"));
    expect(stderr).toMatch(
      /it is in service, but cannot be saved for the next start: .*plugin.wasm.new/,
    );
    expect(code).toBe(1);
    expect((await portico.status()).plugin.source).toContain("other.wasm");
    expect(await names(VIP)).toEqual(new Set(["web-1"]));
    rmdirSync(join(portico.runDirectory, "plugin.wasm.new"));
  });
});

describe("cleanup", () => {
  it("leaves the node as it was, and may be repeated", async () => {
    const state = async () => {
      const parts = ["nft list ruleset", "ip rule", "ip route show table all", "ss -Hltnx"];
      const { stdout } = await node.exec("sh", ["-c", parts.join("; ")]);
      return stdout
        .split("\n")
        .filter((line) => !line.includes("cache"))
        .sort();
    };
    const before = await state();
    await portico.start(CIDR);
    await portico.synced();
    await portico.end("SIGTERM");
    expect(await state()).not.toEqual(before);
    const first = await portico.command("cleanup");
    expect(first.stdout).toContain("removed nft table inet portico");
    expect(await state()).toEqual(before);
    const second = await portico.command("cleanup");
    expect(second.code).toBe(0);
    expect(second.stdout).toContain("found nothing of Portico on this node");
  });

  it("empties a run directory that is a mount, as a volume is", async () => {
    mkdirSync(portico.runDirectory);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m", "portico-test", portico.runDirectory]);
    try {
      await portico.start(CIDR);
      await portico.synced();
      await portico.end("SIGTERM");
      const { code, stderr } = await portico.command("cleanup");
      expect([code, stderr]).toEqual([0, ""]);
      expect(await readdir(portico.runDirectory)).toEqual([]);
    } finally {
      execFileSync("umount", ["--lazy", portico.runDirectory]);
    }
  });

  it("refuses while a controller runs", async () => {
    await portico.start(CIDR);
    await portico.synced();
    const { code, stderr } = await portico.command("cleanup");
    expect(code).toBe(1);
    expect(stderr).toContain("portico run is still running on this node (pid ");
  });
});
