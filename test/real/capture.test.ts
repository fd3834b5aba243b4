// What clients of each kind see of each verdict, on a real kernel, with Envoy behind it.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addressAndPort } from "../../controller/model/ip.ts";
import { partsOf } from "../cases/topology.ts";
import type { Dialer } from "../namespaces/dialer.ts";
import {
  type Addresses,
  type CaptureLab,
  FAMILIES,
  makeCaptureLab,
  ping,
  VIP,
} from "./capture-lab.ts";

let lab: CaptureLab;
let pod: Dialer;
let host: Dialer;
let outside: Dialer;
const shortly = { timeoutMs: 400 };

beforeAll(async () => {
  lab = await makeCaptureLab();
  pod = await lab.node.pod("client").dialer();
  host = await lab.node.dialer();
  outside = await lab.cluster.outside.dialer();
});
afterAll(async () => {
  await lab?.envoy.kill();
  await lab?.cluster.close();
});

/** The addresses that backends saw, and the backends that answered. */
async function seen(dialer: Dialer, address: string, port: number, tries = 4) {
  const results = await dialer.dial(address, port, { tries });
  return {
    outcomes: [...new Set(results.map(({ outcome }) => outcome))],
    names: [...new Set(results.map(({ name }) => name))].sort(),
    sources: [
      ...new Set(results.map(({ client }) => (client === "" ? "" : partsOf(client).address))),
    ],
  };
}

describe.each(FAMILIES)("in %s", (family) => {
  let at: Addresses;
  beforeAll(() => {
    at = lab.at[family];
  });
  describe("a connection to a cluster IP", () => {
    it("from a Pod reaches backends of this and other nodes, which see the Pod", async () => {
      expect(await seen(pod, at.web, 80)).toEqual({
        outcomes: ["answered"],
        names: ["remote", "web"],
        sources: [at.client],
      });
    });

    it("from the host reaches them too, and they see the node", async () => {
      expect(await seen(host, at.web, 80)).toEqual({
        outcomes: ["answered"],
        names: ["remote", "web"],
        sources: [at.node],
      });
    });

    it("from a Pod that is its own backend comes back to it, from the node's address", async () => {
      expect(await seen(pod, at.own, 80)).toEqual({
        outcomes: ["answered"],
        names: ["client"],
        sources: [at.node],
      });
    });

    it("reaches a backend that listens on the node itself, which sees the Pod", async () => {
      expect(await seen(pod, at.host, 80)).toEqual({
        outcomes: ["answered"],
        names: ["host"],
        sources: [at.client],
      });
      expect(await seen(host, at.host, 80)).toMatchObject({ outcomes: ["answered"] });
    });

    it("carries a client that uses its port again at once", async () => {
      const options = { tries: 5, localPort: 45_555, timeoutMs: 900 };
      const results = await pod.dial(at.web, 80, options);
      expect(results.map(({ outcome }) => outcome)).toEqual(Array(5).fill("answered"));
    });
  });

  describe("a cluster IP", () => {
    it.each([
      ["has no endpoints", "empty", 80],
      ["does not define the port", "web", 9090],
    ] as const)("that %s refuses at once, every time", async (_, vip, port) => {
      for (const dialer of [pod, host]) {
        const results = await dialer.dial(at[vip], port, { tries: 20, timeoutMs: 900 });
        expect(new Set(results.map(({ outcome }) => outcome))).toEqual(new Set(["refused"]));
        expect(Math.max(...results.map(({ milliseconds }) => milliseconds))).toBeLessThan(500);
      }
    });

    it("refuses UDP, from Pods and from the host", async () => {
      const query = { ...shortly, protocol: "UDP" } as const;
      for (const dialer of [pod, host]) {
        expect(await dialer.dialOnce(at.empty, 53, query)).toMatchObject({ outcome: "refused" });
        expect(await dialer.dialOnce(at.web, 53, query)).toMatchObject({ outcome: "refused" });
      }
    });

    it("whose backends are on other nodes only, with policy Local, drops", async () => {
      for (const dialer of [pod, host]) {
        const result = await dialer.dialOnce(at.empty, 81, shortly);
        expect(result.outcome).toBe("timeout");
      }
    });

    it("that is nobody's drops", async () => {
      for (const dialer of [pod, host]) {
        const result = await dialer.dialOnce(at.unallocated, 80, shortly);
        expect(result.outcome).toBe("timeout");
      }
    });

    it("does not answer pings", async () => {
      expect(await ping(lab.node.pod("client"), at.node)).toBe("answered");
      expect(await ping(lab.node.pod("client"), at.web)).not.toBe("answered");
      expect(await ping(lab.node, at.web)).not.toBe("answered");
      expect(await ping(lab.node.pod("client"), at.unallocated, 0.3)).toBe("silence");
    });
  });

  describe("a node port", () => {
    it.each([
      ["from outside", () => outside],
      ["from a Pod", () => pod],
      ["from the node itself", () => host],
    ])("answers %s, and backends see the node", async (_, dialer) => {
      expect(await seen(dialer(), at.node, 30080)).toEqual({
        outcomes: ["answered"],
        names: ["web"],
        sources: [at.node],
      });
    });

    it("without endpoints refuses", async () => {
      for (const dialer of [outside, host, pod]) {
        const result = await dialer.dialOnce(at.node, 30081, { timeoutMs: 900 });
        expect(result.outcome).toBe("refused");
      }
    });

    it("is none on the node's other addresses", async () => {
      expect(await host.dialOnce(at.loopback, 30080)).toMatchObject({ outcome: "refused" });
      await lab.node.exec("ip", ["address", "add", at.second, "dev", "eth0", "nodad"]);
      expect(await outside.dialOnce(at.second, 30080)).toMatchObject({ outcome: "refused" });
      await lab.node.exec("ip", ["address", "del", at.second, "dev", "eth0"]);
    });
  });

  describe("somebody else's packets", () => {
    it("pass as they were", async () => {
      const client = at.client;
      for (const name of ["web", "remote"]) {
        const direct = await pod.dialOnce(name === "web" ? at.webPod : at.remotePod, 8080);
        expect(direct).toMatchObject({ outcome: "answered", name });
        expect(direct.client).toContain(client);
      }
      const own = await outside.dialOnce(at.node, 9090);
      expect(own).toMatchObject({ outcome: "answered", name: "host" });
      expect(own.client).toContain(at.outside);
    });

    it("pass also when they are replies to a port that is a node port", async () => {
      const remote = at.remotePod;
      for (const localPort of [30080, 30081]) {
        const result = await host.dialOnce(remote, 8080, { localPort });
        expect(result).toMatchObject({ outcome: "answered", name: "remote" });
      }
    });

    it("are refused at Envoy's capture ports", async () => {
      for (const dialer of [outside, pod, host]) {
        for (const port of [15401, 15402, 15403, 15404]) {
          const result = await dialer.dialOnce(at.node, port, shortly);
          expect(result.outcome).toBe("refused");
        }
      }
      expect(await host.dialOnce(at.loopback, 15402)).toMatchObject({ outcome: "refused" });
    });

    it("may be mapped by port to the node's addresses without catching a Service", async () => {
      // What the port mappings of Docker and of the CNI plugin portmap do.
      const header = family === "IPv4" ? "ip" : "ip6";
      const mapped = addressAndPort(at.webPod, 8080);
      const dnat = `fib daddr type local tcp dport 80 dnat ${header} to ${mapped}`;
      const input = `table inet mappings {
      chain prerouting { type nat hook prerouting priority dstnat; ${dnat}; }
      chain output { type nat hook output priority -100; ${dnat}; }
    }`;
      await lab.node.exec("nft", ["-f", "-"], { input });
      expect(await outside.dialOnce(at.node, 80)).toMatchObject({ name: "web" });
      expect((await seen(pod, at.remote, 80)).names).toEqual(["remote"]);
      expect((await seen(host, at.remote, 80)).names).toEqual(["remote"]);
      await lab.node.exec("nft", ["delete", "table", "inet", "mappings"]);
    });
  });
});

describe("a node with other sysctls", () => {
  it.each([
    "net.ipv4.conf.all.rp_filter=1",
    "net.ipv4.conf.all.rp_filter=2",
    "net.ipv4.tcp_fwmark_accept=1",
    "net.ipv4.fwmark_reflect=1",
    "net.ipv4.ip_early_demux=0",
    "net.ipv4.tcp_syncookies=2",
    "net.ipv4.ip_forward=0",
  ])("works with %s", async (setting) => {
    const name = setting.slice(0, setting.indexOf("="));
    const before = (await lab.node.exec("sysctl", ["-n", name])).stdout.trim();
    await lab.node.exec("sysctl", ["-qw", setting]);
    // As the controller does when it sees that the node forwards no more (policy-hook-watch.ts).
    await lab.capture.full(lab.set);
    for (const address of [VIP.web, VIP.own, VIP.host]) {
      expect((await seen(pod, address, 80)).outcomes).toEqual(["answered"]);
      expect((await seen(host, address, 80)).outcomes).toEqual(["answered"]);
    }
    expect((await seen(outside, lab.node.address, 30080)).outcomes).toEqual(["answered"]);
    await lab.node.exec("sysctl", ["-qw", `${name}=${before}`]);
    await lab.capture.full(lab.set);
  });
});

it("does not work with src_valid_mark, and says so", async () => {
  const setting = "net.ipv4.conf.all.src_valid_mark";
  await lab.node.exec("sysctl", ["-qw", `${setting}=1`]);
  expect(await pod.dialOnce(VIP.web, 80, shortly)).toMatchObject({ outcome: "timeout" });
  const module = new URL("../../controller/capture/kernel-settings.ts", import.meta.url).pathname;
  const script = `import { kernelSettingProblems } from "${module}";
    console.log(await kernelSettingProblems());`;
  const args = ["--input-type=module", "-e", script];
  const { stdout } = await lab.node.exec(process.execPath, args);
  expect(stdout).toContain(setting);
  await lab.node.exec("sysctl", ["-qw", `${setting}=0`]);
});

describe("an Envoy that is gone", () => {
  it("leaves its connections in their retries, and they are answered when it is back", async () => {
    await lab.node.exec("nft", ["-f", "-"], { input: tproxyTo(15409) });
    const result = await pod.dialOnce(VIP.web, 80, shortly);
    expect(result.outcome).toBe("timeout");
    const retried = pod.dialOnce(VIP.web, 80, { timeoutMs: 5_000 });
    await lab.capture.full(lab.set);
    expect(await retried).toMatchObject({ outcome: "answered" });
  });
});

/** A rule set that hands over to a port where nobody listens. */
function tproxyTo(port: number): string {
  return `flush chain inet portico verdict_keep
    add rule inet portico verdict_keep meta l4proto tcp tproxy ip to 127.0.0.1:${port} accept
    add rule inet portico verdict_keep drop\n`;
}
