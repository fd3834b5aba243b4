import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { eventually } from "../eventually.ts";
import { type Cluster, makeCluster, makeNode } from "../namespaces/cluster.ts";

describe("a cluster of namespaces", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await makeCluster({
      dualStack: true,
      nodes: [
        { name: "a", pods: { client: "auto" } },
        { name: "b", pods: { server: "auto" } },
      ],
    });
    await cluster.node("b").pod("server").serve({ tcp: 8080, udp: 5353 });
    await cluster.node("b").serve({ tcp: 9090 });
  });
  afterAll(() => cluster.close());

  it.each([0, 1])(
    "carries a Pod's packets to a Pod of another node (family %i)",
    async (family) => {
      const client = cluster.node("a").pod("client");
      const server = cluster.node("b").pod("server").addresses[family] as string;
      const dialer = await client.dialer();
      const tcp = await dialer.dialOnce(server, 8080);
      expect(tcp).toMatchObject({ outcome: "answered", name: "server" });
      expect(tcp.client).toContain(client.addresses[family]);
      const udp = await dialer.dialOnce(server, 5353, { protocol: "UDP", bytes: 2000 });
      expect(udp).toMatchObject({ outcome: "answered", name: "server" });
    },
  );

  it.each([0, 1])("lets a client outside reach nodes (family %i)", async (family) => {
    const dialer = await cluster.outside.dialer();
    const address = cluster.node("b").addresses[family] as string;
    expect(await dialer.dialOnce(address, 9090)).toMatchObject({ outcome: "answered", name: "b" });
  });

  it("gives a node's own processes the node's address towards Pods", async () => {
    const node = cluster.node("b");
    const dialer = await node.dialer();
    const [v4, v6] = node.pod("server").addresses as [string, string];
    expect((await dialer.dialOnce(v4, 8080)).client).toContain(node.addresses[0]);
    expect((await dialer.dialOnce(v6, 8080)).client).toContain(node.addresses[1]);
  });

  it("tells refused, timed out and unanswered apart", async () => {
    const dialer = await cluster.node("a").pod("client").dialer();
    const server = cluster.node("b").pod("server").address;
    const refused = await dialer.dialOnce(server, 81);
    expect(refused.outcome).toBe("refused");
    const unknown = await dialer.dialOnce("10.96.0.1", 80, { timeoutMs: 200 });
    expect(unknown.outcome).toBe("timeout");
    const udp = await dialer.dialOnce(server, 81, { protocol: "UDP" });
    expect(udp.outcome).toBe("refused");
  });

  it("holds a connection and counts a load", async () => {
    const dialer = await cluster.node("a").pod("client").dialer();
    const server = cluster.node("b").pod("server").address;
    const load = await dialer.load(server, 8080, 2);
    const connection = await dialer.open(server, 8080);
    expect(await connection.echo("hello")).toBe("hello");
    await connection.close();
    await expect(connection.echo("x")).rejects.toThrow("closed");
    const tally = await load.stop();
    expect(tally.outcomes.answered).toBeGreaterThan(0);
    expect(tally).toMatchObject({ outcomes: { answered: tally.names.server } });
  });

  it("cuts a node off, and only that, until it is plugged in again", async () => {
    const dialer = await cluster.node("a").pod("client").dialer();
    const server = cluster.node("b").pod("server").address;
    await cluster.unplug(cluster.node("b"));
    const lost = await dialer.dialOnce(server, 8080, { timeoutMs: 200 });
    expect(lost.outcome).toBe("timeout");
    const [own = ""] = cluster.node("a").addresses;
    expect((await dialer.dialOnce(own, 8080)).outcome).toBe("refused");
    await cluster.plugIn(cluster.node("b"));
    await eventually("an answer", 10_000, async () => {
      return (await dialer.dialOnce(server, 8080, { timeoutMs: 1_000 })).outcome === "answered";
    });
  });

  it("adds a Pod and removes it, and the address can be given again", async () => {
    const node = cluster.node("b");
    const dialer = await cluster.node("a").pod("client").dialer();
    for (const name of ["first", "second"]) {
      const pod = await node.addPod(name, "10.1.2.99");
      await pod.serve({ tcp: 80 });
      expect(await dialer.dialOnce("10.1.2.99", 80)).toMatchObject({ outcome: "answered", name });
      await node.removePod(name);
    }
    const gone = await dialer.dialOnce("10.1.2.99", 80, { timeoutMs: 200 });
    expect(gone.outcome).not.toBe("answered");
  });
});

describe("what is left behind", () => {
  const prefix = `portico-test-${process.pid}`;
  const script = `
    import { makeNode } from "${new URL("../namespaces/cluster.ts", import.meta.url).pathname}";
    const { node } = await makeNode({ name: "n", pods: { p: "auto" }, prefix: process.argv[1] });
    // It says its pid itself: from then on it ends with this process, however that ends.
    const child = node.spawn("sh", ["-c", "echo $$; exec sleep 1000"]);
    child.stdout.once("data", (pid) => {
      process.stdout.write(pid);
      if (process.argv[2] === "exit") process.exit(3);
      if (process.argv[2] === "throw") throw new Error("as asked");
    });
    setInterval(() => {}, 1000);`;
  const names = () =>
    existsSync("/run/netns") ? readdirSync("/run/netns").filter((n) => n.startsWith(prefix)) : [];
  // A process that was killed may stand in /proc for a while, until somebody has reaped it.
  const runs = (pid: number) =>
    existsSync(`/proc/${pid}`) && !/\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  const start = async (how: string) => {
    const args = ["--input-type=module", "-e", script, prefix, how];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "ignore"] });
    const closed = once(child, "exit");
    const [pid] = await once(child.stdout, "data");
    return { child, closed, sleeper: Number(pid) };
  };
  const KILLED_MS = 10_000;
  afterEach(async () => {
    const { cluster } = await makeNode({ name: "n", prefix });
    await cluster.close();
  });

  it.each(["exit", "throw", "SIGINT", "SIGTERM"])("is nothing after %s", async (how) => {
    const { child, closed, sleeper } = await start(how);
    if (how.startsWith("SIG")) child.kill(how as NodeJS.Signals);
    await closed;
    expect(names()).toEqual([]);
    await vi.waitFor(() => expect(runs(sleeper)).toBe(false), KILLED_MS);
  });

  it("after SIGKILL is no process, and nothing once the same prefix is used again", async () => {
    const { child, closed, sleeper } = await start("stay");
    child.kill("SIGKILL");
    await closed;
    await vi.waitFor(() => expect(runs(sleeper)).toBe(false), KILLED_MS);
    expect(names()).not.toEqual([]);
    const { cluster } = await makeNode({ name: "other", prefix });
    expect(names()).not.toContain(`${prefix}-n`);
    await cluster.close();
    expect(names()).toEqual([]);
  });
});
