// Connections and flows that are not Portico's, when a Service gets the address and port of their
// server: conntrack knows them, so they go on, as with NAT, which is decided by the first packet.

import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { preparePrograms } from "../demo/prerequisites.ts";
import { eventually } from "../eventually.ts";
import type { Dialer, HeldConnection } from "../namespaces/dialer.ts";
import { FAMILIES, KINDS, type Kind, OthersLab, type Sketch } from "./others-lab.ts";

const LAG_MS = 30_000;
let lab: OthersLab;
let clients: Record<"a Pod" | "a host process" | "outside", Dialer>;
type Client = keyof typeof clients;

beforeAll(async () => {
  await preparePrograms(console.log, { conntrack: "conntrack" });
  lab = await OthersLab.make();
  clients = {
    "a Pod": await lab.client.dialer(),
    "a host process": await lab.node.dialer(),
    outside: await lab.cluster.outside.dialer(),
  };
  await lab.portico.start(["--sync-period", "1h"]);
  await lab.portico.synced(LAG_MS);
});
afterAll(() => lab?.close());
afterEach(async (context) => {
  if (context.task.result?.state === "fail") console.log(lab?.portico.log.slice(-3_000));
});

/** What programs do to marks that choose among several providers, or are tunnels. */
const MARKINGS = {
  // Of UDP, wg-quick does it so: CONNMARK --restore-mark.
  "packets get their connection's mark":
    "type filter hook prerouting priority mangle - 1; meta mark set ct mark",
  "connections get marks of others":
    "type filter hook prerouting priority mangle + 1; ct state new ct mark set 0x1",
};

let lastPort = 20_000;

interface Place {
  address: string;
  port: number;
}

/** Somebody's connection and flow to a server, each from a port of its own. */
class Held {
  readonly #dialer: Dialer;
  readonly #to: Place;
  readonly #localPort = ++lastPort;
  readonly connection: HeldConnection;

  private constructor(dialer: Dialer, to: Place, connection: HeldConnection) {
    this.#dialer = dialer;
    this.#to = to;
    this.connection = connection;
  }

  static async open(client: Client, to: Place): Promise<Held> {
    const dialer = clients[client];
    const { address, port } = to;
    return new Held(dialer, to, await dialer.open(address, port, { timeoutMs: LAG_MS }));
  }

  /** Whether the connection lives. */
  async lives(): Promise<boolean> {
    const text = `still there, ${lastPort}?`;
    return (await this.connection.echo(text, LAG_MS).catch(() => "")) === text;
  }

  /** Who answers a datagram from the flow's port. */
  ask(): Promise<string> {
    return whoAnswers(this.#dialer, this.#to, { protocol: "UDP", localPort: this.#localPort });
  }
}

async function whoAnswers(
  dialer: Dialer,
  { address, port }: Place,
  options: { protocol?: "TCP" | "UDP"; localPort?: number } = {},
): Promise<string> {
  const { name, outcome } = await dialer.dialOnce(address, port, { timeoutMs: 5_000, ...options });
  return name || outcome;
}

/** Who answers what begins now, over TCP and UDP. */
async function newOnes(client: Client, to: Place): Promise<string[]> {
  const dialer = clients[client];
  return [await whoAnswers(dialer, to), await whoAnswers(dialer, to, { protocol: "UDP" })];
}

/** What is open to the server before the Service, then through it: what each of them sees. */
async function goesOn(sketch: Sketch, who: readonly Client[], server: string): Promise<void> {
  const to = lab.taken(sketch);
  await lab.apply();
  const before = await Promise.all(who.map((client) => Held.open(client, to)));
  const living = () => Promise.all(before.map((each) => each.lives()));
  const flows = () => Promise.all(before.map((each) => each.ask()));
  const all = <T>(value: T) => who.map(() => value);
  expect(before.length).toBeGreaterThan(0);
  expect([await living(), await flows()]).toEqual([all(true), all(server)]);

  await lab.apply(sketch);
  expect([await living(), await flows()]).toEqual([all(true), all(server)]);
  const through: Held[] = [];
  for (const client of who) {
    expect(await newOnes(client, to)).toEqual(["web", "web"]);
    through.push(await Held.open(client, to));
  }
  for (const each of through) expect([await each.lives(), await each.ask()]).toEqual([true, "web"]);

  await lab.apply({ ...sketch, hasEndpoints: false });
  expect([await living(), await flows()]).toEqual([all(true), all(server)]);
  for (const client of who) expect(await newOnes(client, to)).toEqual(["refused", "refused"]);
  for (const each of through) {
    expect([await each.lives(), await each.ask()]).toEqual([true, "refused"]);
  }

  await lab.apply();
  expect([await living(), await flows()]).toEqual([all(true), all(server)]);
  for (const each of [...before, ...through]) await each.connection.close();
}

describe.each(FAMILIES)("in %s", (family) => {
  it.each(KINDS)(
    "connections and flows go on to what becomes a Service's %s",
    async (kind: Kind) => {
      await goesOn({ family, kind }, ["a Pod", "a host process"], "stranger");
    },
  );

  it("clients of a host process whose port becomes a node port keep it", async () => {
    await goesOn({ family, kind: "node port" }, ["a Pod", "a host process", "outside"], "host");
  });

  it("a flow to a host process that is gone is the Service's", async () => {
    await lab.apply();
    const to = lab.taken({ family, kind: "node port" });
    const held = await Held.open("outside", to);
    expect(await held.ask()).toBe("host");
    await lab.apply({ family, kind: "node port" });
    expect(await held.ask()).toBe("host");
    await lab.endHostServer();
    expect(await held.ask()).toBe("web");
    await lab.serveOnHost();
    expect(await held.ask()).toBe("web");
  });

  it("all go on when connection tracking forgets them, or Portico starts again", async () => {
    const sketch: Sketch = { family, kind: "node port" };
    await lab.apply();
    const others = await Held.open("outside", lab.taken(sketch));
    expect(await others.ask()).toBe("host");
    await lab.apply(sketch);
    const own = await Promise.all(
      (["a Pod", "outside"] as const).map((client) => Held.open(client, lab.taken(sketch))),
    );
    const all = [others, ...own];
    const living = () => Promise.all(all.map((each) => each.lives()));
    expect(await living()).toEqual([true, true, true]);
    await lab.node.exec("conntrack", ["-F"]);
    expect(await living()).toEqual([true, true, true]);
    await restart();
    expect(await living()).toEqual([true, true, true]);
    for (const each of all) await each.connection.close();
  });

  it("are not Portico's either when it starts later", async () => {
    const sketch: Sketch = { family, kind: "load balancer" };
    await lab.apply(sketch);
    await lab.portico.end("SIGTERM");
    // Somebody's firewall has the kernel track connections, as on every node.
    await lab.node.exec("nft", ["add table ip firewall; add table ip6 firewall"]);
    for (const header of ["ip", "ip6"]) {
      await lab.node.exec("nft", [
        `add chain ${header} firewall f { type filter hook forward priority 0; }; ` +
          `add rule ${header} firewall f ct state invalid counter`,
      ]);
    }
    expect((await lab.portico.command("cleanup")).code).toBe(0);
    const others = await Held.open("a Pod", lab.taken(sketch));
    expect([await others.lives(), await others.ask()]).toEqual([true, "stranger"]);
    await lab.portico.start(["--sync-period", "1h"]);
    await lab.portico.synced(LAG_MS);
    await lab.apply(sketch);
    expect(await newOnes("a Pod", lab.taken(sketch))).toEqual(["web", "web"]);
    expect([await others.lives(), await others.ask()]).toEqual([true, "stranger"]);
    await others.connection.close();
    await lab.node.exec("nft", ["delete table ip firewall; delete table ip6 firewall"]);
  });

  it("pass also when the kernel takes a packet of theirs for out of order", async () => {
    const sketch: Sketch = { family, kind: "external IP" };
    await lab.apply(sketch);
    const [header, to] = [family === "IPv4" ? "ip" : "ip6", lab.taken(sketch).address];
    await lab.node.exec("nft", [
      `add table ${header} seen; ` +
        `add chain ${header} seen f { type filter hook forward priority 0; }; ` +
        `add rule ${header} seen f tcp sequence 4242 ${header} daddr ${to} counter`,
    ]);
    await lab.client.exec("python3", ["-c", STRAY_SEGMENT, to]);
    const { stdout } = await lab.node.exec("nft", ["list", "table", header, "seen"]);
    await lab.node.exec("nft", ["delete", "table", header, "seen"]);
    expect(stdout).toContain("packets 1 ");
  });

  it.each(Object.entries(MARKINGS))("are told from Portico's own where %s", async (_, chain) => {
    const sketch: Sketch = { family, kind: "external IP" };
    await lab.apply(sketch);
    const input = `table inet marking {\nchain c {\n${chain}\n}\n}\n`;
    await lab.node.exec("nft", ["-f", "-"], { input });
    const to = lab.taken(sketch);
    onTestFinished(async () => {
      await lab.node.exec("nft", ["delete", "table", "inet", "marking"]);
    });
    for (const client of ["a Pod", "a host process"] as const) {
      const own = await Held.open(client, to);
      const answers = [await own.lives(), await own.ask(), await own.ask()];
      expect([client, ...answers]).toEqual([client, true, "web", "web"]);
      await own.connection.close();
    }
  });

  it("are told from Portico's own that have lost Envoy, whose clients hear a reset", async () => {
    const sketch: Sketch = { family, kind: "external IP" };
    await lab.apply(sketch);
    const own = await Held.open("a Pod", lab.taken(sketch));
    expect(await own.lives()).toBe(true);
    await lab.client.exec("nft", ["-f", "-"], { input: DEAF });
    const { stdout } = await lab.node.exec("cat", [`${lab.portico.runDirectory}/envoy.pid`]);
    process.kill(Number(stdout), "SIGKILL");
    await eventually("another Envoy", LAG_MS, async () => {
      const { stdout: pid } = await lab.node.exec("cat", [`${lab.portico.runDirectory}/envoy.pid`]);
      return pid !== stdout && (await newOnes("a host process", lab.taken(sketch)))[0] === "web";
    });
    await eventually("no socket of the old Envoy's", LAG_MS, async () => {
      const ending = ["state", "fin-wait-1", "src", `[${lab.taken(sketch).address}]`];
      await lab.node.exec("ss", ["-HtnK", ...ending]);
      return (await lab.node.exec("ss", ["-Htn", ...ending])).stdout === "";
    });
    await lab.client.exec("nft", ["delete", "table", "inet", "deaf"]);
    await expect(own.connection.echo("anybody?", LAG_MS)).rejects.toThrow(
      "the connection was closed",
    );
  });
});

/** Nothing of TCP comes in. */
const DEAF = `table inet deaf {
  chain input { type filter hook input priority 0; policy accept; meta l4proto tcp drop; }
}`;

/** A segment of no connection, with a checksum that is wrong. */
const STRAY_SEGMENT = `
import socket, struct, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP)
segment = struct.pack("!HHIIBBHHH", 20001, 8080, 4242, 4242, 0x50, 0x10, 512, 1, 0)
raw.sendto(segment, (sys.argv[1], 0))
`;

async function restart(): Promise<void> {
  await lab.portico.end("SIGKILL");
  await lab.portico.start(["--sync-period", "1h"]);
  await lab.portico.synced(LAG_MS);
}
