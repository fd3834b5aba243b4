// Connections that last: an end that vanishes is noticed at the other one, and one that is only
// silent lives on; through each kind of capture listener, in both families, with either Envoy.

import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { eventually } from "../eventually.ts";
import type { Namespace } from "../namespaces/namespace.ts";
import {
  cutOff,
  KINDS,
  type LastingConnection,
  LastingLab,
  NO_KEEPALIVES,
  reconnect,
  SHORT_KEEPALIVES,
} from "./lasting-lab.ts";

const ALL = 2 * KINDS.length;
const PATIENCE_MS = 15_000;

/** A client's own keepalives, on a connection past Portico: prints how it ends. */
const OWN_KEEPALIVES = `
import os, socket, sys
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))
connection.sendall(b"own\\n")
for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 2)):
    connection.setsockopt(socket.IPPROTO_TCP, option, value)
connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
try:
    while connection.recv(100): print("open", flush=True)
    print("eof")
except OSError as error: print(os.strerror(error.errno))
`;

let lab: LastingLab;
beforeAll(async () => {
  lab = await LastingLab.make();
});
afterAll(() => lab?.close());

async function opened(): Promise<LastingConnection[]> {
  const all = await lab.openAll();
  expect(all).toHaveLength(ALL);
  for (const each of all) await each.carries("alive");
  return all;
}

/** Cuts it off until the test has ended, or what this resolves with is called. */
async function cut(where: Namespace): Promise<() => Promise<void>> {
  let isCut = true;
  const reunite = async () => {
    if (isCut) await reconnect(where);
    isCut = false;
  };
  await cutOff(where);
  onTestFinished(reunite);
  return reunite;
}

/** Until each of these connections has ended at that end; how, without repetition. */
async function endAt(end: "client" | "server", all: readonly LastingConnection[]) {
  await eventually(`the end of all connections at the ${end}`, PATIENCE_MS, async () =>
    all.every((each) => each.ends()[end] !== undefined),
  );
  return [...new Set(all.map((each) => each.ends()[end]))];
}

it("without keepalives nothing is noticed of an end that vanishes, as it was", async () => {
  await lab.start(NO_KEEPALIVES);
  const all = await opened();
  const { client, web } = { client: lab.node.pod("client"), web: lab.node.pod("web") };
  const direct = client.spawn("python3", ["-c", OWN_KEEPALIVES, web.address, "8080"]);
  let said = "";
  direct.stdout?.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  await eventually("the direct connection", PATIENCE_MS, async () => said.includes("open"));
  const reunite = await cut(web);
  await eventually("its end", PATIENCE_MS, async () => said.includes("Connection timed out"));
  expect(all.map((each) => each.ends().client)).toEqual(Array(ALL).fill(undefined));
  await reunite();
  for (const each of all) await each.carries("again");
});

it("without keepalives, connections go on that connection tracking has forgotten", async () => {
  await lab.sysctls({ "net.netfilter.nf_conntrack_tcp_timeout_established": 1 });
  const all = await opened();
  await eventually("connections that are not tracked", PATIENCE_MS, async () => {
    return (await lab.tracked(all)) === 0;
  });
  for (const [index, each] of all.entries()) {
    // Of a translation that is forgotten, what the backend sends finds nothing, as with kube-proxy.
    const isTranslated = each.name.startsWith("masquerade");
    if (isTranslated || index % 2 === 0) await each.carries("client first");
    else await each.carriesDown("backend first");
  }
  for (const each of all) await each.carries("as before");
});

it("other flags end no connection", async () => {
  const all = await opened();
  await lab.restart(["--tcp-user-timeout", "2s", "--connect-timeout", "3s"]);
  for (const each of all) await each.carries("as before");
});

it("a user timeout ends what nobody acknowledges", async () => {
  await lab.start(["--tcp-user-timeout", "2s"]);
  const all = await opened();
  await cut(lab.node.pod("web"));
  for (const { client, name } of all) client.tell("say", name, "are you there");
  expect(await endAt("client", all)).toEqual(["eof"]);
});

describe("with keepalives", () => {
  beforeAll(() => lab.start(SHORT_KEEPALIVES));

  it("a backend that vanishes is noticed at the client", async () => {
    const all = await opened();
    await cut(lab.node.pod("web"));
    // Envoy hands a reset on as one, and a connection that timed out as the end of the stream.
    expect(await endAt("client", all)).toEqual(["eof"]);
  });

  it("a client that vanishes is noticed at the backend", async () => {
    const all = await opened();
    await cut(lab.node.pod("client"));
    await cut(lab.cluster.outside);
    expect(await endAt("server", all)).toEqual(["eof"]);
  });

  it("each Envoy notices it, one that took over and the one that it replaced", async () => {
    const before = await opened();
    const replaced = await lab.portico.command("envoy", "replace", "--drain-time", "1h");
    expect(replaced).toMatchObject({ code: 0, stderr: "" });
    const after = await opened();
    for (const each of before) await each.carries("in the former Envoy");
    await cut(lab.node.pod("web"));
    expect(await endAt("client", [...before, ...after])).toEqual(["eof"]);
  });

  it("what was sent goes on being sent, as long as without Portico", async () => {
    const [silent, sending] = [await opened(), await opened()];
    const reunite = await cut(lab.node.pod("web"));
    for (const { client, name } of sending) client.tell("say", name, "are you there");
    expect(await endAt("client", silent)).toEqual(["eof"]);
    await reunite();
    for (const { server, name } of sending) await server.says(`heard ${name} are you there`);
    for (const each of sending) await each.carries("as before");
  });

  it("keeps what connection tracking knows, of half a connection too", async () => {
    await lab.sysctls({
      "net.netfilter.nf_conntrack_tcp_timeout_established": 4,
      "net.netfilter.nf_conntrack_tcp_timeout_fin_wait": 4,
      "net.netfilter.nf_conntrack_tcp_timeout_close_wait": 4,
    });
    const [whole, half] = [await opened(), await opened()];
    for (const { server, client, name } of half) {
      server.tell("shut", name);
      await client.says(`end ${name}`);
    }
    const direct = await lab.openDirectly("IPv4");
    const ours = [...whole, ...half];
    expect(await lab.tracked([direct])).toBe(1);
    await eventually("the end of what is tracked of a silent one", PATIENCE_MS, async () => {
      return (await lab.tracked([direct])) === 0;
    });
    expect(await lab.tracked(ours)).toBe(2 * ours.length);
    for (const each of whole) await each.carries("as before");
    for (const each of half) await each.carriesUp("as before");
    await direct.carries("as before");
  });

  // Envoy looks no more at what it has read to the end, so that it keeps its half until then.
  it("leaves nothing of a connection that one end has closed and the other uses", async () => {
    await lab.node.pod("web").exec("sysctl", ["-qw", "net.ipv4.tcp_fin_timeout=1"]);
    const [sending, closing] = [await opened(), await opened()];
    const all = [...sending, ...closing];
    expect(await lab.sockets(all)).toBe(2 * all.length);
    for (const { server, name } of all) server.tell("close", name);
    expect(await endAt("client", all)).toEqual(["eof"]);
    for (const { client, name } of closing) client.tell("close", name);
    await eventually("the end of Envoy's connections", PATIENCE_MS, async () => {
      for (const { client, name } of sending) client.tell("say", name, "are you there");
      return (await lab.sockets(all)) === 0;
    });
  });

  it("a client whose link goes down is noticed at the backend", async () => {
    const all = await opened();
    const gone = all.filter(({ name }) => name.startsWith("keep"));
    expect(gone).toHaveLength(2);
    await lab.node.pod("client").exec("ip", ["link", "set", "eth0", "down"]);
    expect(await endAt("server", gone)).toEqual(["eof"]);
  });
});
