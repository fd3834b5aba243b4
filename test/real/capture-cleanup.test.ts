// What cleanup() leaves, and what the programs' failures look like. Uses the real runner, inside a
// node's namespace, with an environment that lacks what the case is about.

import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { EMPTY_KERNEL_TARGET } from "../../controller/capture/kernel-target.ts";
import type { Cluster } from "../namespaces/cluster.ts";
import { type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import { capturedFrontends } from "../stand-ins/captured.ts";
import { captureOn } from "./capture-lab.ts";

const SET = {
  ...EMPTY_KERNEL_TARGET,
  frontends: capturedFrontends({ "10.96.0.10:80/TCP": "keep" }),
  clusterIPs: new Set(["10.96.0.10"]),
  serviceCIDRs: new Set(["10.96.0.0/16"]),
  localBackendAddresses: new Set(["10.1.1.10"]),
};

let cluster: Cluster;
let node: ClusterNode;
let tools: string;
beforeAll(async () => {
  ({ cluster, node } = await makeNode({ name: "n", pods: { p: "auto" } }));
  tools = mkdtempSync(join(tmpdir(), "portico-tools-"));
  // The kernel gives links their IPv6 addresses a little later.
  await vi.waitFor(async () => expect(await kernelState()).not.toContain("tentative"), 10_000);
});
afterAll(async () => {
  rmSync(tools, { recursive: true });
  await cluster.close();
});

/** Everything of the kernel's that Portico could have touched. */
async function kernelState(): Promise<string> {
  const commands: [string, string[]][] = [
    ["nft", ["list", "ruleset"]],
    ...["-4", "-6"].flatMap((family): [string, string[]][] => [
      ["ip", [family, "-d", "rule"]],
      ["ip", [family, "-d", "route", "show", "table", "all"]],
    ]),
    ["ip", ["-d", "address"]],
    ["sysctl", ["-a", "-r", "^net\\.ipv[46]\\.(conf|ip_|tcp_)"]],
  ];
  const printed: string[] = [];
  for (const [program, args] of commands) {
    const { stdout } = await node.exec(program, args, { allowFailure: true });
    printed.push(stdout.replace(/ valid_lft \d+sec.*$/gm, ""));
  }
  return printed.join("\n");
}

async function addForeign(): Promise<void> {
  const input = `
    table ip nat {
      chain prerouting {
        type nat hook prerouting priority dstnat
        tcp dport 8443 counter dnat to 10.1.1.10
      }
    }
    table inet portico_of_somebody_else {
      set s { type ipv4_addr; elements = { 10.96.0.10 }; }
    }
    table ip portico {
      chain c { ip daddr 10.96.0.10 drop; }
    }\n`;
  await node.exec("nft", ["-f", "-"], { input });
  const lines = [
    "rule add fwmark 0x1000/0x1000 lookup 4100 priority 100",
    "rule add fwmark 0x1000/0x1000 lookup 4100 priority 90 protocol static",
    "rule add to 10.96.0.0/16 iif lo lookup 4101 priority 100 protocol 186",
    "route add blackhole 203.0.113.0/24 table 4100",
    "route add local 198.51.100.1/32 dev lo table 4100 protocol static",
    "route add unreachable 10.97.0.0/16",
  ];
  await node.exec("ip", ["-batch", "-"], { input: `${lines.join("\n")}\n` });
}

describe("cleaning up", () => {
  it("leaves the kernel as it was, with everything of everybody else's", async () => {
    await addForeign();
    const before = await kernelState();
    const capture = captureOn(node);
    await capture.full(SET);
    await capture.update(SET, { ...SET, serviceCIDRs: new Set(["10.96.0.0/16", "10.112.0.0/16"]) });
    expect(await kernelState()).not.toBe(before);
    const report = await captureOn(node).cleanup();
    expect(report.problems).toEqual([]);
    expect(report.removed).toEqual([
      "nft table inet portico",
      "ip -4 rule fwmark 0x1000/0x1000 table 4100 priority 1",
      "ip -4 rule fwmark 0x50/0x50 table 4101 priority 1",
      "ip -4 route local default dev lo table 4100",
      "ip -4 route default dev portico0 table 4101",
      "ip -6 rule fwmark 0x1000/0x1000 table 4100 priority 1",
      "ip -6 rule fwmark 0x50/0x50 table 4101 priority 1",
      "ip -6 route local default dev lo table 4100",
      "ip -6 route default dev portico0 table 4101 mtu 1280",
      "ip link portico1",
      "ip link portico0",
    ]);
    expect(await kernelState()).toBe(before);
  });

  it("is fine when nothing is there, or a part is missing", async () => {
    const capture = captureOn(node);
    expect(await capture.cleanup()).toEqual({ removed: [], problems: [] });
    const before = await kernelState();
    await capture.full(SET);
    await node.exec("nft", ["delete", "table", "inet", "portico"]);
    await node.exec("ip", ["-6", "rule", "del", "priority", "1", "table", "4100"]);
    const report = await capture.cleanup();
    expect(report).toMatchObject({ removed: { length: 9 }, problems: [] });
    expect(await kernelState()).toBe(before);
  });

  it("removes what is there for a moment only, when a killed program left it", async () => {
    const before = await kernelState();
    for (const remove of ["cleanup", "removeLeftovers"] as const) {
      await node.exec("nft", ["-f", "-"], {
        input: "table inet portico_order { chain older {}; }",
      });
      await node.exec("ip", ["link", "add", "portico-passing", "type", "bridge"]);
      const done = await captureOn(node)[remove]();
      const removed = ["nft table inet portico_order", "ip link portico-passing"];
      expect(done).toEqual(remove === "cleanup" ? { removed, problems: [] } : removed);
      expect(await kernelState()).toBe(before);
    }
    expect(await captureOn(node).removeLeftovers()).toEqual([]);
  });
});

const APPLY = new URL("../../controller/capture/apply.ts", import.meta.url).pathname;
const OPTIONS = new URL("../../controller/capture/options.ts", import.meta.url).pathname;
const EMPTY = new URL("../../controller/capture/kernel-target.ts", import.meta.url).pathname;
const SCRIPT = `
  import { KernelCapture } from "${APPLY}";
  import { DEFAULT_CAPTURE_OPTIONS } from "${OPTIONS}";
  import { EMPTY_KERNEL_TARGET } from "${EMPTY}";
  const capture = new KernelCapture(DEFAULT_CAPTURE_OPTIONS);
  const shown = ({ name, code, message }) => ({ name, code, message });
  const failure = (promise) => promise.then(() => "none", shown);
  const full = await failure(capture.full(EMPTY_KERNEL_TARGET));
  const isPresent = await failure(capture.isPresent());
  const { removed, problems } = await capture.cleanup();
  console.log(JSON.stringify({ full, isPresent, removed, problems: problems.map(shown) }));`;

/** What goes wrong with full(), isPresent() and cleanup(), run behind a command. */
async function failures(command: string, ...args: string[]) {
  const script = [process.execPath, "--input-type=module", "-e", SCRIPT];
  const { stdout } = await node.exec(command, [...args, ...script]);
  return JSON.parse(stdout);
}

describe("a failure is told by its code", () => {
  it("when nft is missing; cleaning up still does ip's part", async () => {
    const { stdout } = await node.exec("sh", ["-c", "command -v ip"]);
    symlinkSync(stdout.trim(), join(tools, "ip"));
    const result = await failures("env", `PATH=${tools}`);
    expect(result.full).toMatchObject({ name: "NftError", code: "missing" });
    expect(result.full.message).toMatch(/install/);
    expect(result.isPresent).toMatchObject({ name: "NftError", code: "missing" });
    expect(result.removed).toHaveLength(10);
    expect(result.problems).toMatchObject([{ name: "NftError", code: "missing" }]);
  });

  it("when everything is missing", async () => {
    const result = await failures("env", "PATH=/nonexistent");
    expect(result.full).toMatchObject({ name: "RoutingError", code: "missing" });
    expect(result.problems).toHaveLength(2);
  });

  it("when the kernel does not let us", async () => {
    const result = await failures("setpriv", "--bounding-set=-all", "--inh-caps=-all");
    expect(result.full).toMatchObject({ name: "RoutingError", code: "permission" });
    expect(result.isPresent).toMatchObject({ name: "NftError", code: "permission" });
    expect(result.isPresent.message).toMatch(/NET_ADMIN/);
  });
});
