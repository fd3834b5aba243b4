// What processes of the host dial, and what the kernel says about connections: external addresses,
// loopback, ICMP errors, neighbours; in both families.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addressAndPort } from "../../controller/model/ip.ts";
import { eventually } from "../eventually.ts";
import { withVerdicts } from "../stand-ins/captured.ts";
import { type Addresses, type CaptureLab, FAMILIES, makeCaptureLab } from "./capture-lab.ts";

let lab: CaptureLab;
beforeAll(async () => {
  lab = await makeCaptureLab();
});
afterAll(async () => {
  await lab?.envoy.kill();
  await lab?.cluster.close();
});

describe.each(FAMILIES)("in %s", (family) => {
  let at: Addresses;
  beforeAll(() => {
    at = lab.at[family];
  });

  it("a host's connection to an external IP lives on when that is gone", async () => {
    const key = `${addressAndPort(at.external, 80)}/TCP`;
    const host = await lab.node.dialer();
    const held = await host.open(at.external, 80);
    await lab.capture.update(lab.set, withVerdicts(lab.set, { [key]: undefined }));
    expect(await held.echo("still")).toBe("still");
    expect(await host.dialOnce(at.external, 80, { timeoutMs: 400 })).toMatchObject({
      outcome: "timeout",
    });
    await lab.capture.full(withVerdicts(lab.set, { [key]: undefined }));
    expect(await held.echo("and on")).toBe("and on");
    await held.close();
    await lab.capture.full(lab.set);
  });

  it("a host is refused at an external IP without endpoints, at once", async () => {
    const key = `${addressAndPort(at.external, 80)}/TCP`;
    const refusing = withVerdicts(lab.set, { [key]: "refuse" });
    await lab.capture.update(lab.set, refusing);
    const host = await lab.node.dialer();
    for (const result of await host.dial(at.external, 80, { tries: 5, timeoutMs: 900 })) {
      expect(result.outcome).toBe("refused");
    }
    await lab.capture.update(refusing, lab.set);
  });

  it("a cluster IP outside of all Service CIDRs is the host's too", async () => {
    const elsewhere = { ...lab.set, serviceCIDRs: new Set<string>() };
    await lab.capture.full(elsewhere);
    const host = await lab.node.dialer();
    expect(await host.dialOnce(at.web, 80)).toMatchObject({ outcome: "answered" });
    expect(await host.dialOnce(at.web, 81)).toMatchObject({ outcome: "refused" });
    await lab.capture.full(lab.set);
  });

  it("a node port on loopback is the host's, without route_localnet", async () => {
    const key = `${addressAndPort(at.loopback, 30080)}/TCP`;
    const withLoopback = withVerdicts(lab.set, { [key]: "masquerade" });
    await lab.capture.update(lab.set, withLoopback);
    const host = await lab.node.dialer();
    const result = await host.dialOnce(at.loopback, 30080);
    expect(result).toMatchObject({ outcome: "answered", name: "web" });
    expect(result.client).toContain(at.node);
    const { stdout } = await lab.node.exec("ss", ["-Hltn", "sport = :30080"]);
    expect(stdout).toBe("");
    await lab.capture.update(withLoopback, lab.set);
  });

  it("an ICMP error about a captured connection reaches its socket", async () => {
    const child = lab.node.pod("client").spawn("python3", ["-uc", TOO_BIG, at.web, at.client]);
    const said: string[] = [];
    child.stdout?.setEncoding("utf8").on("data", (text: string) => said.push(text));
    child.stderr?.pipe(process.stderr);
    await eventually("the error is sent", 3_000, async () => said.join("").includes("sent"));
    await eventually("Envoy's socket knows the way's MTU", 3_000, async () => {
      const { stdout } = await lab.node.exec("ss", ["-Htin", "src", addressAndPort(at.web, 80)]);
      return stdout.includes("pmtu:1300");
    });
    child.stdin?.end();
    await eventually("the connection goes on", 3_000, async () => said.join("").includes("echoed"));
  });
});

it("neighbours are asked at a Service's address as at any", async () => {
  const pod = lab.node.pod("client");
  const address = lab.at.IPv6.unallocated;
  const { stdout } = await lab.node.exec("ip", ["-j", "link", "show", pod.link]);
  const [{ address: mac }] = JSON.parse(stdout);
  await lab.node.exec("ip", ["address", "add", `${address}/128`, "dev", pod.link, "nodad"]);
  // A probe goes to the address itself, and not to a group's as the first question does.
  const neighbour = [address, "lladdr", mac, "dev", "eth0", "nud", "probe"];
  await pod.exec("ip", ["neigh", "replace", ...neighbour]);
  await eventually("the neighbour has answered", 5_000, async () => {
    const shown = await pod.exec("ip", ["neigh", "show", address]);
    expect(shown.stdout).not.toContain("FAILED");
    return shown.stdout.includes("REACHABLE");
  });
  await lab.node.exec("ip", ["address", "del", `${address}/128`, "dev", pod.link]);
});

/**
 * Connects to port 80 of a Service, sees at which byte the other side is, and tells it as a router
 * on the way would that 1,300 bytes are the most that pass. Ends with its input, after an echo.
 */
const TOO_BIG = `
import socket, struct, sys
vip, client = sys.argv[1:3]
six = ":" in vip
family = socket.AF_INET6 if six else socket.AF_INET
seen = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x86dd if six else 0x0800))
tcp = socket.create_connection((vip, 80))
tcp.settimeout(3)
tcp.sendall(b"one")
assert tcp.recv(9) == b"one"
port = tcp.getsockname()[1]
seen.settimeout(0.3)
following = None
try:
    while True:
        packet = seen.recv(2000)
        start = 40 if six else (packet[0] & 15) * 4
        source, destination, sequence = struct.unpack("!HHI", packet[start:start + 8])
        if (source, destination) != (80, port): continue
        length = len(packet) - start - (packet[start + 12] >> 4) * 4
        following = (sequence + length + (packet[start + 13] & 2 and 1)) & 0xffffffff
except socket.timeout: pass
about = struct.pack("!HHI", 80, port, following) + bytes(12)
ends = socket.inet_pton(family, vip) + socket.inet_pton(family, client)
def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff
if six:
    inner = struct.pack("!IHBB", 0x60000000, len(about), 6, 64) + ends + about
    error = struct.pack("!BBHI", 2, 0, 0, 1300) + inner
    raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
else:
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(about), 1, 0x4000, 64, 6, 0) + ends
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    error = struct.pack("!BBHHH", 3, 4, 0, 0, 1300) + header + about
    error = error[:2] + struct.pack("!H", checksum(error)) + error[4:]
    raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMP)
raw.sendto(error, (vip, 0))
print("sent")
sys.stdin.read()
tcp.sendall(b"two")
assert tcp.recv(9) == b"two"
print("echoed")
`;
