// `portico check` on nodes of namespaces where each thing that it looks for is really so. What
// kube-proxy is and leaves is in migration.test.ts, with a real one.

import { join } from "node:path";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { Finding, Level } from "../../controller/check/finding.ts";
import { preparePrograms } from "../demo/prerequisites.ts";
import { eventually } from "../eventually.ts";
import { type ClusterNode, makeNode } from "../namespaces/cluster.ts";
import type { CommandResult } from "../namespaces/command.ts";
import { nodeObject, PorticoProcess, serviceObjects } from "../real/portico-fixture.ts";

const PORTICO = join(import.meta.dirname, "../../build/portico");
const LAG_MS = 30_000;
const CIDR = ["--service-cidr", "10.96.0.0/16"];

beforeAll(() => preparePrograms(console.log, { iptables: "iptables" }), 300_000);

async function newNode(): Promise<ClusterNode> {
  const { cluster, node } = await makeNode({ name: "node-1", pods: { web: "auto" } });
  onTestFinished(() => cluster.close());
  return node;
}

function check(node: ClusterNode, ...args: string[]): Promise<CommandResult> {
  const all = [PORTICO, "check", ...CIDR, ...args];
  return node.exec(process.execPath, all, { allowFailure: true });
}

async function findingsOf(node: ClusterNode, ...args: string[]): Promise<Finding[]> {
  const { stdout } = await check(node, "-o", "json", ...args);
  return (JSON.parse(stdout) as { findings: Finding[] }).findings;
}

/** "level what: seen" */
function textOf({ level, what, seen }: Finding): string {
  return `${level} ${what}: ${seen}`;
}

interface Condition {
  /** Shell commands that make it so. */
  make: string;
  level: Level;
  /** Part of what is found, and seen. */
  finds: RegExp;
  /** With which flags it is no finding any more. */
  solvedBy?: readonly string[];
}

const BASE_CHAIN = (hook: string, policy: string) =>
  `nft add table inet others && nft add chain inet others c ` +
  `'{ type filter hook ${hook} priority 0; policy ${policy}; }'`;
/** Not sysctl(8), which is not everywhere. */
const SYSCTL = (name: string, value: string) => `echo ${value} > /proc/sys/net/${name}`;
const PREROUTING = BASE_CHAIN("prerouting", "accept");

const CONDITIONS: Readonly<Record<string, Condition>> = {
  "an address of the node's in a Service CIDR": {
    make: "ip address add 10.96.0.10/32 dev lo",
    level: "warning",
    finds: /Service CIDR .*: 10\.96\.0\.10 on lo/,
  },
  "a route into a Service CIDR": {
    make: "ip route add 10.96.128.0/17 dev eth0",
    level: "warning",
    finds: /Service CIDR .*: route 10\.96\.128\.0\/17 dev eth0/,
  },
  "an address among those of Envoy's UDP listeners": {
    make: "ip address add 243.0.0.1/32 dev lo",
    level: "blocker",
    finds: /for UDP .*: 243\.0\.0\.1 on lo/,
  },
  "a route to those in IPv6": {
    make: "ip -6 route add unreachable fd70:6f72::/32",
    level: "blocker",
    finds: /for UDP .*: route fd70:6f72::\/32/,
  },
  "a mark of Portico's that nftables sets": {
    make: `${PREROUTING} && nft add rule inet others c meta mark set mark or 0x1000`,
    level: "blocker",
    finds: /bit 0x1000: nftables: inet others c/,
    solvedBy: ["--mark-bit", "13"],
  },
  "a mark of Portico's that iptables asks": {
    make: "iptables -t mangle -A PREROUTING -m mark --mark 0x1000/0x1000 -j ACCEPT",
    level: "blocker",
    finds: /bit 0x1000: .*iptables: -A PREROUTING/,
    solvedBy: ["--mark-bit", "13"],
  },
  "the mark of Envoy's connections in a routing rule": {
    make: "ip rule add fwmark 0x40/0x40 table main priority 90",
    level: "blocker",
    finds: /bit 0x40: IPv4 rule of priority 90/,
  },
  "routes in Portico's table": {
    make: "ip route add 192.0.2.0/24 dev eth0 table 4100",
    level: "blocker",
    finds: /routes in table 4100: 192\.0\.2\.0\/24/,
    solvedBy: ["--route-table", "4101"],
  },
  "a rule of Portico's priority": {
    make: "ip rule add from 10.9.0.0/16 table 7 priority 1",
    level: "warning",
    finds: /rule precedes Portico's, .*: IPv4 1 for some → 7/,
  },
  "a rule of another mark's absence before Portico's": {
    make: "ip -6 rule add not fwmark 0x100000/0x100000 table 7 priority 1",
    level: "warning",
    finds: /rule precedes Portico's, .*: IPv6 1 for all but mark 0x100000\/0x100000 → 7/,
  },
  "Portico's conntrack zone": {
    make: `${BASE_CHAIN("prerouting", "accept").replace("priority 0", "priority raw")} && \
      nft add rule inet others c ct zone set 4100`,
    level: "warning",
    finds: /conntrack zone 4100: nftables: inet others c/,
  },
  "a packet filter that drops what comes in": {
    make: BASE_CHAIN("input", "drop"),
    level: "warning",
    finds: /drops unlisted traffic in input: chain c of table inet others, policy drop/,
  },
  "iptables that drop what goes out": {
    make: "iptables -P OUTPUT DROP",
    level: "warning",
    finds: /drops unlisted traffic in output: chain OUTPUT of table ip filter/,
  },
  "iptables that drop what is forwarded": {
    make: "iptables -P FORWARD DROP",
    level: "warning",
    finds: /drops unlisted forwarded traffic, .*: chain FORWARD of table ip filter/,
    solvedBy: ["--policy-hook", "output"],
  },
  "Calico's rule that keeps Pods from the host": {
    make: "iptables -N cali-wl-to-host && iptables -A cali-wl-to-host -j DROP",
    level: "blocker",
    finds: /Calico drops/,
  },
  "firewalld's reverse path filter": {
    make:
      "nft 'table inet firewalld { chain filter_PREROUTING { " +
      "type filter hook prerouting priority filter + 10; " +
      "fib saddr . mark . iif oif missing drop; }; }'",
    level: "blocker",
    finds: /a reverse path filter drops captured packets over IPv4 and IPv6/,
  },
  "packets looked up by their mark": {
    make: SYSCTL("ipv4/conf/eth0/src_valid_mark", "1"),
    level: "blocker",
    finds: /net\.ipv4\.conf\.eth0\.src_valid_mark = 1/,
  },
  "no forwarding": {
    make: SYSCTL("ipv4/ip_forward", "0"),
    level: "warning",
    finds: /net\.ipv4\.ip_forward = 0/,
  },
  "few local ports": {
    make: SYSCTL("ipv4/ip_local_port_range", "60000 60999"),
    level: "warning",
    finds: /ip_local_port_range = 60000 60999/,
  },
  "IPv6 turned off": {
    make: SYSCTL("ipv6/conf/lo/disable_ipv6", "1"),
    level: "note",
    finds: /IPv6 is disabled/,
  },
  "Pods on a bridge that does not call iptables": {
    make:
      `${SYSCTL("bridge/bridge-nf-call-iptables", "0")}; ` +
      `${SYSCTL("bridge/bridge-nf-call-ip6tables", "0")}; ` +
      "ip link add cni0 type bridge && ip link add pod type veth peer name other && " +
      "ip link set pod master cni0 && ip address add 10.1.9.1/24 dev cni0",
    level: "note",
    finds: /on a bridge that does not.*: cni0/,
  },
  "kube-proxy's interface in ipvs mode": {
    make: "ip link add kube-ipvs0 type bridge",
    level: "blocker",
    finds: /kube-proxy in ipvs mode .*: interface kube-ipvs0/,
  },
  Cilium: {
    make: "ip link add cilium_host type veth peer name cilium_net",
    level: "blocker",
    finds: /Cilium: interface cilium_\w+/,
  },
};

it("finds a node fit where nothing is in the way, and changes nothing", async () => {
  const node = await newNode();
  const state = async () => {
    // Not what the kernel itself still changes on young interfaces.
    const links = "ip -br link | cut -d' ' -f1";
    const show = `nft list ruleset; ip rule; ip -6 rule; ip -4 route show table all; ${links}`;
    const script = `${show}; grep -r . /proc/sys/net/ipv4/conf /proc/sys/net/ipv4/tcp_early_demux`;
    return (await node.exec("sh", ["-c", script])).stdout;
  };
  const before = await state();
  const { code, stdout } = await check(node);
  expect(stdout).toMatch(/^safe to proceed/m);
  expect(stdout).not.toMatch(/^blocker/m);
  expect(stdout).toMatch(/^ok +kube-proxy: not here/m);
  expect(stdout).toMatch(/^ok +the kernel accepts Portico's rules/m);
  expect(code).toBe(0);
  expect(await state()).toBe(before);
});

describe("finds", () => {
  it.each(Object.entries(CONDITIONS))("%s", async (_name, condition) => {
    const { make, level, finds, solvedBy } = condition;
    const node = await newNode();
    await node.exec("sh", ["-c", make]);
    const found = (await findingsOf(node)).filter((finding) => finds.test(textOf(finding)));
    expect(found).toMatchObject([{ level }]);
    expect(found[0]?.todo).not.toBe("");
    if (solvedBy === undefined) return;
    const solved = (await findingsOf(node, ...solvedBy)).filter((each) => each.level === level);
    expect(solved.filter((finding) => finds.test(textOf(finding)))).toEqual([]);
  });

  it("ports that are taken", async () => {
    const node = await newNode();
    const script = `
      const { createServer } = require("net");
      createServer().listen(15402);
      createServer().listen(15412);
      createServer().listen(10256, "127.0.0.1");
      require("dgram").createSocket("udp4").bind(15404, () => console.log("bound"));`;
    node.spawn(process.execPath, ["-e", script]);
    let texts: string[] = [];
    await eventually("four ports found taken", LAG_MS, async () => {
      texts = (await findingsOf(node)).map(textOf);
      return texts.filter((text) => /in use/.test(text)).length === 4;
    });
    expect(texts).toContainEqual(
      expect.stringMatching(/^blocker a capture port of Envoy .*:15402$/),
    );
    expect(texts).toContainEqual(
      expect.stringMatching(/^blocker a capture port of Envoy .*:15412$/),
    );
    expect(texts).toContainEqual(expect.stringMatching(/^blocker .*UDP 0\.0\.0\.0:15404$/));
    expect(texts).toContainEqual(expect.stringMatching(/^warning .*TCP 127\.0\.0\.1:10256$/));
  });

  it("Portico itself, running and left over", async () => {
    const node = await newNode();
    const portico = new PorticoProcess(node);
    onTestFinished(() => portico.close());
    const { address } = node.pod("web");
    const service = { name: "web", clusterIP: "10.96.0.10", endpoints: [address] };
    portico.write([nodeObject("node-1", node.address), ...serviceObjects(service)]);
    await portico.start();
    await portico.synced(LAG_MS);
    expect((await findingsOf(node)).map(textOf)).toContain("note Portico: running, with its table");
    const { code } = await check(node);
    expect(code).toBe(0);
    await portico.end("SIGKILL");
    expect((await findingsOf(node)).map(textOf)).toContain(
      "note Portico: its table, but no controller",
    );
  });

  it("few open files", async () => {
    const node = await newNode();
    const line = `ulimit -n 1024 && exec ${process.execPath} ${PORTICO} check`;
    const { stdout } = await node.exec("sh", ["-c", line], { allowFailure: true });
    const room = "1024, so at most 156 connections and 512 UDP flows";
    expect(stdout).toMatch(new RegExp(`^warning +few open files .*: ${room}`, "m"));
  });

  it("that nft is missing", async () => {
    const node = await newNode();
    const command = ["PATH=/nowhere", process.execPath, PORTICO, "check"];
    const { code, stdout } = await node.exec("/usr/bin/env", command, { allowFailure: true });
    expect(stdout).toMatch(/^blocker +cannot run nft/m);
    expect(code).toBe(2);
  });
});

describe("exit code", () => {
  it("is 2 with a blocker, and with a warning 1 if told so", async () => {
    const node = await newNode();
    await node.exec("sh", ["-c", SYSCTL("ipv4/ip_forward", "0")]);
    expect((await check(node)).code).toBe(0);
    expect((await check(node, "--strict")).code).toBe(1);
    await node.exec("ip", ["address", "add", "243.0.0.1/32", "dev", "lo"]);
    const { code, stdout } = await check(node);
    expect(code).toBe(2);
    expect(stdout).toMatch(/^not safe to proceed: 1 blocker$/m);
  });

  it("is 1 when the configuration cannot be read", async () => {
    const node = await newNode();
    const { code, stderr } = await check(node, "--config", "/nowhere");
    expect(stderr).toContain("/nowhere");
    expect(code).toBe(1);
  });
});
