// Datagrams through Envoy and the kernel: of any size, beside other users of the same ports, from
// strangers, and more flows than there is room for.

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../eventually.ts";
import { ECHO_PORT, UdpLab, untilAnswer, VIP, VIP6 } from "./udp-lab.ts";

const B = { pod: "pod-b" } as const;
const C = { pod: "pod-c" } as const;
const NODE_PORT = 30_053;
/** A DNS client's, what fits into a packet and what does not, the e2e tests' 2,000, the largest. */
const SIZES = [0, 1, 48, 512, 1472, 1473, 2000, 9000, 32_768, 65_507];
const LARGEST_IPV6 = 65_487;
const SAME = Object.fromEntries(SIZES.map((size) => [size, "same"]));

let lab: UdpLab;
beforeAll(async () => {
  lab = await UdpLab.make();
  await lab.portico.start(["--sync-period", "2s"]);
  await lab.portico.synced();
});
afterAll(() => lab.close());

it("an IPv4 port that somebody else has takes IPv4 listeners away, and nothing else", async () => {
  // Before there is any listener: Envoy keeps the sockets of removed ones.
  const { child } = await lab.program(lab.node, "take", 15_404);
  await lab.apply({ endpoints: [B] });
  expect(await lab.ask({ to: VIP6 })).toBe("pod-b");
  expect(await lab.ask()).toBe("refused");
  const { problems } = await lab.portico.status();
  expect(problems).toContainEqual({
    object: "Service test/dns",
    message: expect.stringMatching(/^10\.96\.0\.53:53\/UDP is refused.*cannot bind/s),
  });
  await end(child);
  await untilAnswer(() => lab.ask(), "pod-b");
  await lab.portico.sound(5_000);
});

describe("a datagram of any size comes through, and its answer", () => {
  beforeAll(() => lab.apply({ endpoints: [B], targetPort: ECHO_PORT, nodePort: NODE_PORT }));

  it("from a Pod", async () => {
    expect(await lab.datagrams(lab.client, "ask", VIP, 53, ...SIZES)).toEqual(SAME);
  });

  it("from the host", async () => {
    expect(await lab.datagrams(lab.node, "ask", VIP, 53, ...SIZES)).toEqual(SAME);
  });

  it("from outside, through a node port", async () => {
    const asked = lab.datagrams(lab.cluster.outside, "ask", lab.node.address, NODE_PORT, ...SIZES);
    expect(await asked).toEqual(SAME);
  });

  it("over IPv6", async () => {
    const sizes = SIZES.map((size) => Math.min(size, LARGEST_IPV6));
    const same = Object.fromEntries(sizes.map((size) => [size, "same"]));
    expect(await lab.datagrams(lab.client, "ask", VIP6, 53, ...sizes)).toEqual(same);
  });
});

describe("ports", () => {
  it("of frontends stay free for host processes, before and after", async () => {
    await lab.apply();
    const before = await lab.node.serve({ name: "host", udp: 53 });
    await lab.apply({ endpoints: [B], nodePort: NODE_PORT });
    expect(await lab.ask()).toBe("pod-b");
    expect(await lab.ask({ to: VIP6 })).toBe("pod-b");
    expect(await lab.ask({ to: lab.node.address })).toBe("host");
    const after = await lab.node.serve({ name: "host", udp: NODE_PORT });
    expect(await lab.ask({ to: lab.node.address, port: NODE_PORT })).toBe("pod-b");
    await Promise.all([before, after].map(end));
  });

  it("are the same for a Service and the host process behind it", async () => {
    const port = 8125;
    const server = await lab.node.serve({ name: "host", udp: port });
    await lab.apply({ endpoints: [{ pod: "host" }], port, targetPort: port, nodePort: NODE_PORT });
    for (const to of [VIP, VIP6]) {
      const { client } = await lab.dial({ to, port });
      expect(client).toContain(lab.client.addresses[to === VIP ? 0 : 1]);
      expect(await lab.ask({ to, port, from: lab.node })).toBe("host");
    }
    const outside = { from: lab.cluster.outside, to: lab.node.address, port: NODE_PORT };
    expect(await lab.ask(outside)).toBe("host");
    await end(server);
  });

  it("of Envoy's own sockets lead nobody to a client but the backend that it asks", async () => {
    await lab.apply({ endpoints: [B] });
    const { child, first, next } = await lab.program(lab.client, "hear", VIP, 53);
    expect(first).toBe("asked");
    const [from = 0, to = 0] = await localPorts();
    const ports = (await lab.sockets()).map((socket) => Number(socket.split(":").at(-1)));
    const asking = ports.filter((port) => port >= from && port <= to);
    expect(asking.length).toBeGreaterThan(0);
    for (const stranger of [lab.cluster.outside, lab.node.pod("pod-c"), lab.node]) {
      await lab.datagrams(stranger, "inject", lab.node.address, ...asking);
    }
    child.stdin?.end();
    expect(await next()).toEqual([expect.stringContaining('"name":"pod-b"')]);
  });
});

describe("many flows", () => {
  it("of DNS clients end soon, and give their descriptors back", async () => {
    await lab.apply({ endpoints: [B, C] });
    const before = await descriptors();
    const count = 3_000;
    expect(await lab.datagrams(lab.client, "flows", VIP, 53, count)).toBe(count);
    expect(await descriptors()).toBeGreaterThan(before + count / 2);
    await eventually("descriptors given back", 12_000, async () => {
      return (await descriptors()) < before + 100;
    });
  });

  it("leave the host local ports, and everybody else what they have", async () => {
    const range = await localPorts();
    const file = "/proc/sys/net/ipv4/ip_local_port_range";
    await lab.node.exec("sh", ["-c", `echo "40000 40799" > ${file}`]);
    // The limit is read when the controller starts.
    await lab.portico.end("SIGTERM");
    await lab.portico.start(["--sync-period", "2s"]);
    await lab.apply({ endpoints: [B, C] });
    await lab.portico.synced();
    const answered = await lab.datagrams(lab.client, "flows", VIP, 53, 900);
    expect(answered).toBeGreaterThan(600);
    expect(answered).toBeLessThanOrEqual(700);
    expect(await lab.ask({ from: lab.node, to: lab.node.pod("pod-b").address, port: 5353 })).toBe(
      "pod-b",
    );
    await untilAnswer(() => lab.ask(), "pod-b");
    await lab.node.exec("sh", ["-c", `echo "${range.join(" ")}" > ${file}`]);
  });
});

async function localPorts(): Promise<number[]> {
  const { stdout } = await lab.node.exec("cat", ["/proc/sys/net/ipv4/ip_local_port_range"]);
  return stdout.trim().split(/\s+/).map(Number);
}

async function descriptors(): Promise<number> {
  const { stdout } = await lab.node.exec("cat", [`${lab.portico.runDirectory}/envoy.pid`]);
  return readdirSync(`/proc/${stdout.trim()}/fd`).length;
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.kill();
  await ended;
}
