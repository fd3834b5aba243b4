// The order in which this kernel calls hooks of one priority, which Portico's chains for bridges
// rely on (controller/capture/bridge.ts): a kernel that changes it fails here first.
//
//    node   bridge br0 (10.1.7.1) ─ port ─veth─ pod (10.1.7.2)

import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EMPTY_KERNEL_TARGET } from "../../controller/capture/kernel-target.ts";
import { type Cluster, type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import { Namespace } from "../namespaces/namespace.ts";
import { callIptables, sh } from "./bridge-lab.ts";
import { captureOn, ping } from "./capture-lab.ts";

const CAPTURE = join(import.meta.dirname, "../../controller/capture");
const NO_SETTING = "this kernel has no bridge-nf-call-iptables";
const COUNTING = `table inet counting {
  chain first {
    type filter hook prerouting priority -2147483648; policy accept;
    icmp type echo-request counter
  }
  chain raw {
    type filter hook prerouting priority raw; policy accept;
    icmp type echo-request counter
  }
}`;

let cluster: Cluster;
let node: ClusterNode;

beforeEach(async () => {
  ({ cluster, node } = await makeNode({ name: "node-1", pods: {} }));
});

afterEach(() => cluster.close());

async function makeBridge(): Promise<Namespace> {
  const pod = new Namespace(`${node.name}-pod`, "pod");
  const lines = [
    "ip link add br0 type bridge",
    "ip link set br0 up",
    "ip address add 10.1.7.1/24 dev br0",
    `ip netns add ${pod.name}`,
    `ip link add port type veth peer name eth0 netns ${pod.name}`,
    "ip link set port master br0 up",
  ];
  await sh(node, lines.join(" && "));
  await sh(pod, "ip link set eth0 up && ip address add 10.1.7.2/24 dev eth0");
  return pod;
}

/** How often each chain sees one packet that the bridge hands up. */
async function passes(pod: Namespace): Promise<(number | undefined)[]> {
  expect(await ping(pod, "10.1.7.1", 5)).toBe("answered");
  const listing = await sh(node, "nft list table inet counting");
  return ["first", "raw"].map((chain) => {
    const count = new RegExp(`chain ${chain} {[^}]*counter packets (\\d+)`).exec(listing)?.[1];
    return count === undefined ? undefined : Number(count);
  });
}

function load(): Promise<string> {
  return sh(node, `nft -f - <<'END'\n${COUNTING}\nEND`);
}

describe("a chain of br_netfilter's priority", () => {
  it("sees a bridged packet once more when it was made after a bridge", async (context) => {
    context.skip(!(await callIptables(node, 1)), NO_SETTING);
    const pod = await makeBridge();
    await load();
    expect(await passes(pod)).toEqual([2, 1]);
  });

  it("does so when any bridge was there before, as when Portico prepares", async (context) => {
    context.skip(!(await callIptables(node, 1)), NO_SETTING);
    await sh(node, "ip link add passing type bridge && ip link delete passing");
    await load();
    expect(await passes(await makeBridge())).toEqual([2, 1]);
  });

  it("does not when it was made before the first bridge", async (context) => {
    context.skip(!(await callIptables(node, 1)), NO_SETTING);
    await load();
    expect(await passes(await makeBridge())).toEqual([1, 1]);
  });
});

it("is found by trying, which leaves nothing behind", async () => {
  const program = `
    import { hookOrder } from "${CAPTURE}/hook-order.ts";
    import { bridgePlan } from "${CAPTURE}/bridge-plan.ts";
    import { runProgram } from "${CAPTURE}/program.ts";
    const plan = await bridgePlan("auto", { IPv4: true, IPv6: true });
    console.log(JSON.stringify([await hookOrder(runProgram), plan]));`;
  const args = ["--input-type=module-typescript", "-e", program];
  const { stdout } = await node.exec(process.execPath, args);
  const plan = { redirects: false, problems: [] };
  expect(JSON.parse(stdout)).toEqual(["latest-first", plan]);
  expect(await sh(node, "nft list ruleset")).toBe("");
});

it("is prepared for by a bridge that is gone again", async () => {
  await captureOn(node).full(EMPTY_KERNEL_TARGET);
  expect(await sh(node, "ip -o link show type bridge")).toBe("");
});
