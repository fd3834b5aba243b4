// The kernel watch with the real ip and nft, in a network namespace.

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { withNamedNft } from "../../controller/capture/named-nft.ts";
import { eventually } from "../eventually.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";

const PRINTER = join(import.meta.dirname, "print-kernel-events.ts");
const EARLY_DEMUX = "/proc/sys/net/ipv4/tcp_early_demux";
const BRIDGE_CALL = "/proc/sys/net/bridge/nowhere";

interface Printed {
  kind: string;
  event: Record<string, unknown> & { text?: string; removed?: string[] };
}

let cluster: Cluster;
let node: ClusterNode;
let directory: string;
let printer: ChildProcess;
let events: Printed[];

beforeAll(async () => {
  ({ cluster, node } = await makeNode({ name: "node-1", pods: { client: "10.1.1.10" } }));
});
afterAll(() => cluster?.close());

beforeEach(async () => {
  directory = mkdtempSync("/run/portico-test-");
  await nft("table inet portico { set s { type ipv4_addr; }; chain a { accept; }; }");
  printer = node.spawn(process.execPath, [PRINTER, EARLY_DEMUX, BRIDGE_CALL]);
  printer.stderr?.pipe(process.stderr);
  events = [];
  if (!printer.stdout) throw new Error("the printer has no output");
  createInterface({ input: printer.stdout }).on("line", (line) => events.push(JSON.parse(line)));
  await seen("the beginning", ({ kind, event }) => kind === "missed" && event.of === "nftables");
  await seen("the beginning", ({ kind, event }) => kind === "missed" && event.of === "routing");
  events.length = 0;
});
afterEach(async (context) => {
  if (context.task.result?.state === "fail") console.log(events.slice(-50));
  printer.stdin?.end();
  await once(printer, "exit");
  await node.exec("nft", ["flush", "ruleset"]);
  rmSync(directory, { recursive: true });
});

async function nft(script: string): Promise<void> {
  await node.exec("nft", ["-f", "-"], { input: script });
}

/** As the controller does it: under a name of its own. */
async function ownNft(script: string): Promise<void> {
  await withNamedNft(directory, async (program, args, input) => {
    await node.exec(program, [...args], { input });
    return { code: 0, stdout: "", stderr: "" };
  })("nft", ["-f", "-"], script);
}

function seen(what: string, isIt: (printed: Printed) => boolean): Promise<number> {
  return eventually(what, 10_000, async () => events.some(isIt));
}

function elements(first: number, count: number): string {
  const all = Array.from({ length: count }, (_, index) => {
    const number = first + index;
    return `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`;
  });
  return all.join(", ");
}

it("reports rules, routes, addresses and interfaces that come and go", async () => {
  const rule = ["fwmark", "0x1000/0x1000", "table", "4100", "priority", "100"];
  await node.exec("ip", ["rule", "add", ...rule]);
  await node.exec("ip", ["rule", "del", ...rule]);
  await seen("the rule's end", ({ kind, event }) => {
    return (
      kind === "rule" && event.isRemoval === true && /^100: .* lookup 4100/.test(`${event.text}`)
    );
  });
  await node.exec("ip", ["-6", "route", "add", "local", "default", "dev", "lo", "table", "4100"]);
  await node.exec("ip", ["-6", "route", "flush", "table", "4100"]);
  await seen("the route's end", ({ kind, event }) => {
    return kind === "route" && event.isRemoval === true && /table 4100/.test(`${event.text}`);
  });
  await node.exec("ip", ["link", "add", "bridge-x", "type", "bridge"]);
  await seen(
    "the bridge",
    ({ kind, event }) => kind === "link" && /bridge-x/.test(`${event.text}`),
  );
  await node.exec("ip", ["address", "add", "192.0.2.77/32", "dev", "bridge-x"]);
  await node.exec("ip", ["link", "del", "bridge-x"]);
  await seen("the address's end", ({ kind, event }) => {
    return kind === "address" && event.isRemoval === true && /192\.0\.2\.77/.test(`${event.text}`);
  });
});

it("reports a setting that changes, and nothing of one that is not there", async () => {
  const before = (await node.exec("cat", [EARLY_DEMUX])).stdout.trim();
  const after = before === "0" ? "1" : "0";
  await node.exec("sh", ["-c", `echo ${after} > ${EARLY_DEMUX}`]);
  await seen("the setting", ({ kind }) => kind === "setting");
  await node.exec("sh", ["-c", `echo ${before} > ${EARLY_DEMUX}`]);
  await seen("the setting's way back", ({ event }) => event.value === before);
  expect(events.filter(({ kind }) => kind === "setting").map(({ event }) => event)).toEqual([
    { path: EARLY_DEMUX, value: after },
    { path: EARLY_DEMUX, value: before },
  ]);
});

it("tells what others changed in the table from what we did", async () => {
  await ownNft("add element inet portico s { 10.0.0.1, 10.0.0.2 }\nadd chain inet portico b");
  await ownNft("flush set inet portico s\nadd element inet portico s { 10.0.0.3, 10.0.0.4 }");
  await nft("delete element inet portico s { 10.0.0.3 }");
  await seen("the element's end", ({ event }) => event.removedCount === 1);
  await nft("add table inet other\nadd chain inet other portico");
  await nft("add chain inet portico c");
  await seen("the chain", ({ event }) => event.addedCount === 1);
  await nft("flush ruleset");
  await seen("the table's end", ({ event }) => Number(event.removedCount) > 4);
  const ours = events.filter(({ kind }) => kind === "nftables").map(({ event }) => event);
  expect(ours).toMatchObject([
    {
      process: "nft",
      isStructural: false,
      addedCount: 0,
      removedCount: 1,
      removed: [expect.stringMatching(/^delete element inet portico s \{ 10\.0\.0\.3/)],
    },
    { process: "nft", isStructural: true, addedCount: 1, removedCount: 0 },
    { process: "nft", isStructural: true, addedCount: 0 },
  ]);
});

it("stays small and quiet while we change many elements, and misses nothing", async () => {
  const sizes: number[] = [];
  for (let round = 0; round < 8; round += 1) {
    await ownNft(`add element inet portico s { ${elements(round * 5_000, 5_000)} }`);
    await ownNft("flush set inet portico s");
    await nft(`add element inet portico s { 192.0.2.${round} }`);
    await seen(`round ${round}`, ({ event }) => event.addedCount === 1);
    expect(events.map(({ kind }) => kind)).toEqual(["nftables"]);
    events.length = 0;
    sizes.push(...(await sizesOf("nft")));
  }
  expect(sizes.length).toBeGreaterThan(0);
  // 40,000 elements, of which it keeps 600 bytes each.
  console.log(`nft monitor: ${sizes.map((size) => Math.round(size / 1024)).join(", ")} MB`);
  expect(Math.max(...sizes)).toBeLessThan(30 * 1024);
}, 120_000);

it.each([
  ["ip", "routing"],
  ["nft", "nftables"],
])(
  "starts a dead %s monitor again, and says that changes may have been missed",
  async (name, of) => {
    printer.stdin?.write(`${name}\n`);
    await seen("the trouble", ({ kind, event }) => kind === "trouble" && event.why !== undefined);
    await seen("the new one", ({ kind, event }) => kind === "missed" && event.of === of);
    const kinds = events.map(({ kind, event }) => [kind, event.of, typeof event.why]);
    expect(kinds).toEqual([
      ["trouble", of, "string"],
      ["trouble", of, "undefined"],
      ["missed", of, "string"],
    ]);
    await node.exec("ip", ["link", "set", "lo", "down"]);
    await node.exec("ip", ["link", "set", "lo", "up"]);
    await nft("add chain inet portico c");
    await seen("a link's change", ({ kind }) => kind === "link");
    await seen("a chain", ({ kind }) => kind === "nftables");
  },
);

/** Resident memory in KiB of the printer's children of this name. */
async function sizesOf(name: string): Promise<number[]> {
  const sizes: number[] = [];
  for (const pid of await readdir("/proc")) {
    const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
    const isChild = new RegExp(`^PPid:\\s${printer.pid}$`, "m").test(status);
    if (!isChild || !status.startsWith(`Name:\t${name}\n`)) continue;
    sizes.push(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0));
  }
  return sizes;
}
