// deploy/examples/gateway as it ships: an Envoy that Portico does not run, with the plugin in it,
// and its table pushed by hand. The namespaces are the addresses that its manifests name.

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cp } from "node:fs/promises";
import { createServer, type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { FRAME_VERSION_OFFSET, WIRE_VERSION } from "../../plugin/wire/layout.ts";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import { type CommandResult, runCommand } from "../namespaces/command.ts";

const CHECKOUT = join(import.meta.dirname, "../..");
const EXAMPLE = join(CHECKOUT, "deploy/examples/gateway");
const WEB = 8000;
const EDGE = 5432;
const LIVE_MS = 30_000;

let cluster: Cluster;
let node: ClusterNode;
let folder: string;
let envoy: ChildProcess;
let envoyLog = "";

beforeAll(async () => {
  // In /run, because a socket's path has 107 bytes at most.
  folder = mkdtempSync("/run/portico-gateway-");
  cpSync(EXAMPLE, folder, { recursive: true });
  cpSync(join(CHECKOUT, "build/portico.wasm"), join(folder, "portico.wasm"));
  const pods = {
    "api-1": "10.1.1.21",
    "api-2": "10.1.1.22",
    "db-1": "10.1.1.31",
    "db-2": "10.1.1.32",
  };
  ({ cluster, node } = await makeNode({ name: "gateway", nodeIP: "192.0.2.1", pods }));
  for (const [label, pod] of node.pods) {
    await pod.serve({ tcp: label.startsWith("api") ? 8080 : 5432 });
  }
  const args = ["-c", "envoy.yaml", "--concurrency", "2", "--disable-hot-restart"];
  envoy = node.spawn(process.env.ENVOY ?? "envoy", args, { cwd: folder });
  envoy.stderr?.setEncoding("utf8").on("data", (text: string) => {
    envoyLog += text;
  });
  await eventually("the example's Envoy", LIVE_MS, async () => {
    if (envoy.exitCode !== null) throw new Error(`Envoy ended:\n${envoyLog}`);
    return (await portico("table", "show", "--socket", socket())).code === 0;
  });
});
afterAll(async () => {
  envoy?.kill("SIGKILL");
  await cluster?.close();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

const socket = () => join(folder, "table.sock");
const manifests = () => join(folder, "manifests");

function portico(...args: string[]): Promise<CommandResult> {
  const options = { allowFailure: true, timeoutMs: 30_000 };
  return runCommand(process.execPath, [join(CHECKOUT, "build/portico"), ...args], options);
}

function push(from = manifests(), to = socket()): Promise<CommandResult> {
  return portico("table", "push", "--manifests", from, "--socket", to);
}

/** Edits a manifest as a person would. */
function edit(file: string, before: string, after: string): void {
  const path = join(manifests(), file);
  const present = readFileSync(path, "utf8");
  expect(present).toContain(before);
  writeFileSync(path, present.replace(before, after));
}

/** Who answered, of `tries` connections of a client outside; sorted, without repetition. */
async function names(port: number, tries: number): Promise<string[]> {
  const dialer = await cluster.outside.dialer();
  const results = await dialer.dial(node.address, port, { tries, timeoutMs: 10_000 });
  return [...new Set(results.map(({ outcome, name }) => name || outcome))].sort();
}

/** Of the table's socket. */
async function ask(
  method: "GET" | "POST",
  path: string,
  body: Uint8Array = Buffer.alloc(0),
): Promise<{ status: number; body: string }> {
  const headers = { "content-length": body.length };
  const sent = request({ socketPath: socket(), method, path, headers });
  sent.end(body);
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  return { status: response.statusCode ?? 0, body: await text(response) };
}

/** As the example ships them. */
async function restoreManifests(): Promise<void> {
  await cp(join(EXAMPLE, "manifests"), manifests(), { recursive: true });
}

/** An HTTP server on a Unix socket that gives the same answer to everything, until `use` ends. */
async function withServer(
  answer: { status: number; body: string },
  use: (path: string) => Promise<void>,
): Promise<void> {
  const server = createServer((_request, response) => {
    response.writeHead(answer.status).end(answer.body);
  });
  const path = join(folder, "other.sock");
  server.listen(path);
  await once(server, "listening");
  try {
    await use(path);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

it("closes every connection while its table is empty", async () => {
  for (const name of await names(EDGE, 2)) expect(["eof", "reset"]).toContain(name);
});

describe("the gateway of the example", () => {
  beforeEach(async () => {
    await restoreManifests();
    expect((await push()).stderr).toBe("");
  });

  it("serves what the manifests say, and sends nothing when nothing differs", async () => {
    const { code, stdout } = await push();
    expect(stdout).toMatch(/^table version \d+: 3 entries, 6 backends \(nothing differed\)\n$/);
    expect(code).toBe(0);
    // By chance: that one of two is never met in 60 connections happens once in 10^17 runs.
    expect(await names(WEB, 60)).toEqual(["api-1", "api-2"]);
  });

  it("keeps a client at the backend it met, where the Service says so", async () => {
    const met = await names(EDGE, 20);
    expect(met).toHaveLength(1);
    expect(["db-1", "db-2"]).toContain(met[0]);
  });

  it("shows the table", async () => {
    const { stdout } = await portico("table", "show", "--socket", socket());
    expect(stdout).toMatch(/^table version \d+: 3 entries\n/);
    expect(stdout).toContain(
      "192.0.2.1:5432/TCP ExternalIP shop/orders-db affinity 10800s\n" +
        "  10.1.1.31:5432\n  10.1.1.32:5432\n",
    );
    expect(stdout).toContain("10.96.0.20:80/TCP ClusterIP shop/orders-api\n");
  });

  it("follows a changed manifest that is pushed again", async () => {
    edit("orders-api.yaml", "  - addresses: [10.1.1.22]\n", "");
    edit("orders-db.yaml", "  externalIPs: [192.0.2.1]\n", "");
    expect((await push()).stdout).toContain("2 entries, 3 backends (1 changed, 1 removed)\n");
    expect(await names(WEB, 20)).toEqual(["api-1"]);
    for (const name of await names(EDGE, 2)) expect(["eof", "reset"]).toContain(name);
    await restoreManifests();
    edit("orders-api.yaml", "  - addresses: [10.1.1.21]\n", "");
    expect((await push()).stdout).toContain("(2 changed, 0 removed)");
    expect(await names(WEB, 20)).toEqual(["api-2"]);
    expect(["db-1", "db-2"]).toContain((await names(EDGE, 1))[0]);
  });

  it("takes the frame that is explained byte by byte", async () => {
    const hex = readFileSync(join(folder, "frame.hex"), "utf8").replace(/#.*/g, "");
    const frame = Buffer.from(hex.replace(/\s+/g, ""), "hex");
    expect(frame.readBigUInt64LE(FRAME_VERSION_OFFSET)).toBe(1000n);
    const { version } = JSON.parse((await ask("GET", "/v1/version")).body) as { version: number };
    const next = Math.max(1000, version + 1);
    frame.writeBigUInt64LE(BigInt(next), FRAME_VERSION_OFFSET);
    const { status, body } = await ask("POST", "/v1/frames", frame);
    expect(body).toBe(`{"version":${next}}`);
    expect(status).toBe(200);
    expect(await names(EDGE, 5)).toEqual(["db-2"]);
    expect((await push()).stdout).toContain(`table version ${next + 1}: `);
  });
});

describe("portico table push", () => {
  beforeEach(restoreManifests);

  it("refuses a folder that is not there, or has nothing in it", async () => {
    const missing = await push(join(folder, "none"));
    expect(missing.stderr).toContain(`cannot read directory ${folder}/none: ENOENT`);
    const empty = mkdtempSync(join(folder, "empty-"));
    const { stderr, code } = await push(empty);
    expect(stderr).toContain("has no file *.yaml, *.yml or *.json; nothing was pushed");
    expect(code).toBe(1);
  });

  it("changes nothing when a manifest is wrong", async () => {
    const wrong = mkdtempSync(join(folder, "wrong-"));
    cpSync(manifests(), wrong, { recursive: true });
    writeFileSync(join(wrong, "typo.yaml"), "apiVersion: v1\nkind: Service\nmetadata: [\n");
    const before = await portico("table", "show", "--socket", socket());
    const { stderr, code } = await push(wrong);
    expect(stderr).toContain("typo.yaml");
    expect(stderr).toContain("nothing was pushed");
    expect(code).toBe(1);
    expect(await portico("table", "show", "--socket", socket())).toEqual(before);
  });

  it("refuses a node that the manifests do not have", async () => {
    const args = ["table", "push", "--manifests", manifests(), "--socket", socket()];
    const { stderr } = await portico(...args, "--node-name", "node-9");
    expect(stderr).toContain("has no Node node-9; nothing was pushed");
  });

  it("sees Services from a node that the manifests have", async () => {
    const demo = join(CHECKOUT, "deploy/demo");
    const args = ["table", "push", "--manifests", demo, "--socket", socket()];
    expect((await portico(...args, "--node-name", "node-1")).stderr).toBe("");
    const { stdout } = await portico("table", "show", "--socket", socket());
    expect(stdout).toContain(
      "192.0.2.1:30080/TCP NodePort shop/frontend:http\n  10.1.1.10:8080 local\n",
    );
  });

  it("says what a gateway does not do", async () => {
    const local = mkdtempSync(join(folder, "local-"));
    cpSync(manifests(), local, { recursive: true });
    const path = join(local, "orders-db.yaml");
    const before = readFileSync(path, "utf8");
    writeFileSync(
      path,
      before.replace(
        "    - port: 5432\n",
        "    - {name: db, port: 5432}\n    - {name: dns, port: 53, protocol: UDP}\n",
      ),
    );
    const { stderr } = await push(local, join(folder, "none.sock"));
    expect(stderr).toContain("192.0.2.1:53/UDP: the plugin serves only TCP");
  });

  it("names a socket that is not there, or that nobody listens on", async () => {
    const { stderr, code } = await push(manifests(), join(folder, "none.sock"));
    expect(stderr).toContain(`${folder}/none.sock does not exist: is Envoy running`);
    expect(code).toBe(1);
  });

  it("tells another server from a table", async () => {
    const admin = join(folder, "admin.sock");
    expect((await push(manifests(), admin)).stderr).toContain(
      "with the plugin's filter of root_id",
    );
    await withServer({ status: 200, body: "hello" }, async (path) => {
      const { stderr } = await push(manifests(), path);
      expect(stderr).toContain(`${path} answers, but is not a service table: "hello"`);
    });
  });

  it("does not push to a plugin of another wire version", async () => {
    const other = { version: 7, wireVersion: WIRE_VERSION + 1, build: "", frontends: 1 };
    await withServer({ status: 200, body: JSON.stringify(other) }, async (path) => {
      const { stderr } = await push(manifests(), path);
      expect(stderr).toContain(
        `speaks wire version ${WIRE_VERSION + 1}, this portico ${WIRE_VERSION}: use portico.wasm`,
      );
    });
  });
});
