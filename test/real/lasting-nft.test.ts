// One nft for many changes, the real one and some that fail in all ways.

import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { elementChanges } from "../../controller/capture/elements.ts";
import { familiesOf } from "../../controller/capture/families.ts";
import { EMPTY_KERNEL_TARGET } from "../../controller/capture/kernel-target.ts";
import { LastingNft } from "../../controller/capture/lasting-nft.ts";
import type { Verdict } from "../../controller/node/types.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import { capturedFrontends } from "../stand-ins/captured.ts";
import { captureOn } from "./capture-lab.ts";

let cluster: Cluster;
let node: ClusterNode;
let folder: string;
let lasting: LastingNft;
beforeAll(async () => {
  ({ cluster, node } = await makeNode({ name: "n", pods: { p: "auto" } }));
  folder = mkdtempSync(join(tmpdir(), "portico-lasting-"));
});
beforeEach(async () => {
  await captureOn(node).full(EMPTY_KERNEL_TARGET);
});
afterEach(() => lasting.end());
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await cluster.close();
});

/** An nft that notes its starts, and does `instead`, or what nft does on the node. */
function nftThat(instead = `exec nsenter --net=/run/netns/${node.name} nft "$@"`): LastingNft {
  const file = join(folder, "nft");
  writeFileSync(join(folder, "starts"), "");
  writeFileSync(file, `#!/bin/bash\necho $$ >> ${folder}/starts\n${instead}\n`);
  chmodSync(file, 0o755);
  return new LastingNft(() => file);
}

function pids(): number[] {
  return readFileSync(join(folder, "starts"), "utf8").trim().split("\n").map(Number);
}

function targetOf(verdicts: Record<string, Verdict>) {
  return { ...EMPTY_KERNEL_TARGET, frontends: capturedFrontends(verdicts) };
}

/** The script that turns some verdicts into others. */
function script(before: Record<string, Verdict>, after: Record<string, Verdict>): string {
  return elementChanges(targetOf(before), targetOf(after), familiesOf(["IPv4", "IPv6"]));
}

async function elements(map = "frontends_v4"): Promise<string[]> {
  const { stdout } = await node.exec("nft", ["list", "map", "inet", "portico", map]);
  const found = [...stdout.matchAll(/(\S+) \. \w+ \. \d+ : goto verdict_(\w+)/g)];
  return found.map(([, address, verdict]) => `${address} ${verdict}`).sort();
}

const [WEB, SHOP, DNS, SIX] = [
  "10.96.0.1:80/TCP",
  "10.96.0.2:80/TCP",
  "10.96.0.3:53/UDP",
  "[fd00:96::1]:80/TCP",
] as const;

describe("an nft that lasts", () => {
  it("applies one change after another", async () => {
    lasting = nftThat();
    const first = { [WEB]: "keep", [DNS]: "keep", [SIX]: "drop" } as const;
    expect(await lasting.change(script({}, first))).toBe(true);
    expect(await elements()).toEqual(["10.96.0.1 keep", "10.96.0.3 keep"]);
    expect(await elements("frontends_v6")).toEqual(["fd00:96::1 drop"]);
    const second = { [WEB]: "refuse", [SHOP]: "keep" } as const;
    expect(await lasting.change(script(first, second))).toBe(true);
    expect(await elements()).toEqual(["10.96.0.1 refuse", "10.96.0.2 keep"]);
    expect(pids()).toHaveLength(1);
  });

  it("sees what others did meanwhile", async () => {
    lasting = nftThat();
    expect(await lasting.change(script({}, { [WEB]: "keep" }))).toBe(true);
    await captureOn(node).full(targetOf({ [SHOP]: "keep" }));
    expect(await lasting.change(script({ [SHOP]: "keep" }, { [WEB]: "drop" }))).toBe(true);
    expect(await elements()).toEqual(["10.96.0.1 drop"]);
    await node.exec("nft", ["delete", "table", "inet", "portico"]);
    expect(await lasting.change(script({}, { [SHOP]: "keep" }))).toBe(false);
  });

  it.each<[string, Record<string, Verdict>, Record<string, Verdict>]>([
    ["an element is not there", { [WEB]: "keep", [DNS]: "keep" }, { [SHOP]: "keep" }],
    ["a verdict is none", { [WEB]: "keep" }, { [WEB]: "bounce" as Verdict }],
  ])("changes nothing where %s, and is ended", async (_, before, after) => {
    lasting = nftThat();
    expect(await lasting.change(script({}, { [WEB]: "keep" }))).toBe(true);
    expect(await lasting.change(script(before, after))).toBe(false);
    expect(await elements()).toEqual(["10.96.0.1 keep"]);
    const [pid] = pids() as [number];
    await expect.poll(() => isRunning(pid)).toBe(false);
    expect(await lasting.change(script({ [WEB]: "keep" }, {}))).toBe(false);
    expect(pids()).toEqual([pid]);
  });

  it("is not waited for when it was killed", async () => {
    lasting = nftThat();
    expect(await lasting.change(script({}, { [WEB]: "keep" }))).toBe(true);
    process.kill(pids()[0] as number, "SIGKILL");
    expect(await lasting.change(script({ [WEB]: "keep" }, {}))).toBe(false);
    expect(await elements()).toEqual(["10.96.0.1 keep"]);
  });

  it("may complain of its terminal before anything else", async () => {
    const complaint = "echo 'No entry for terminal type' >&2";
    lasting = nftThat(`${complaint}; exec nsenter --net=/run/netns/${node.name} nft "$@"`);
    expect(await lasting.change(script({}, { [WEB]: "keep" }))).toBe(true);
    expect(await lasting.change(script({ [WEB]: "keep" }, {}))).toBe(true);
    expect(await elements()).toEqual([]);
  });

  it("leaves no history of its lines", async () => {
    lasting = nftThat(`echo $HOME > ${folder}/home; exec cat >&2`);
    expect(await lasting.change(script({}, { [WEB]: "keep" }))).toBe(false);
    expect(readFileSync(join(folder, "home"), "utf8")).toBe("/dev/null\n");
  });

  it("takes no script that is worth a program of its own", async () => {
    lasting = nftThat();
    const many = Array.from({ length: 2_000 }, (_, index) => {
      return [`10.97.${index >> 8}.${index & 255}:80/TCP`, "keep"] as const;
    });
    expect(await lasting.change(script({}, Object.fromEntries(many)))).toBe(false);
    expect(await elements()).toEqual([]);
  });
});

describe("an nft that fails", () => {
  const change = () => lasting.change(script({}, { [WEB]: "keep" }));

  it.each([
    ["is not there", undefined],
    ["ends at once, as one without -i does", "echo 'Error: no CLI in this build' >&2; exit 1"],
    ["prints something else", "while read -r line; do echo hm >&2; echo $line >&2; done"],
    ["ends without a word", "read -r line; exit 0"],
  ])("%s: no other is started soon", async (_, instead) => {
    lasting = instead === undefined ? new LastingNft(() => "/nowhere/nft") : nftThat(instead);
    expect(await change()).toBe(false);
    const started = instead === undefined ? 0 : pids().length;
    expect(await change()).toBe(false);
    if (instead !== undefined) expect(pids()).toHaveLength(started);
  });

  it("hangs: the change is given up, and the nft ended", async () => {
    const answers = 'read -r line; echo "Error: none" >&2; read -r line; echo "$line" >&2';
    lasting = nftThat(`${answers}; exec sleep 1000`);
    expect(await change()).toBe(false);
    const [pid] = pids() as [number];
    await expect.poll(() => isRunning(pid)).toBe(false);
  }, 20_000);
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
