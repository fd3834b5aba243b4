// The same as bridge.test.ts where TCP connections of Pods on a bridge come to Envoy by NAT, as on
// a kernel whose order of hooks is not the usual one (controller/capture/bridge-plan.ts).

import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Explanation } from "../../controller/explain/explanation.ts";
import { eventually } from "../eventually.ts";
import { everyWay, expectedWays, KINDS, NO_SETTING } from "./bridge-cases.ts";
import { BridgeLab, callIptables, FAMILIES, type Family, sh } from "./bridge-lab.ts";
import { serviceObjects } from "./portico-fixture.ts";

const REDIRECT = ["--bridge-capture", "redirect"];
/** NAT's, by what the reply comes from. */
const PORTS = "1540[567]|1541[567]";

let lab: BridgeLab;
let hasSetting: boolean;

beforeAll(async () => {
  lab = await BridgeLab.make();
  hasSetting = await callIptables(lab.node, 1);
  await lab.start(...REDIRECT);
});

afterAll(() => lab?.close());

/** Connections of the family that NAT has led to these ports. */
async function redirected(family: Family, ports = PORTS): Promise<number> {
  const file = await sh(lab.node, "cat /proc/net/nf_conntrack");
  const entry = new RegExp(`^${family.toLowerCase()} .* tcp .* sport=(${ports}) `);
  return file.split("\n").filter((line) => entry.test(line)).length;
}

async function open(family: Family, backend: "b" | "d") {
  const dialer = await lab.pod("a").dialer();
  return dialer.open(lab.vip(backend, family, "TCP"), 80);
}

it.for(KINDS)("reach all, with their own address: $family $protocol", async (kind, context) => {
  context.skip(!hasSetting, NO_SETTING);
  const { family, protocol } = kind;
  const before = await redirected(family);
  expect(await everyWay(lab, family, protocol)).toEqual(expectedWays(lab, family, "a"));
  // Of all ways those that are TCP, begin on the bridge, and lead to an endpoint.
  expect((await redirected(family)) - before).toBe(protocol === "TCP" ? 6 : 0);
});

it("relies on no order of hooks", async () => {
  const table = await sh(lab.node, "nft list table inet portico");
  expect(table).toContain("redirect_keep");
  expect(table).not.toContain("priority -2147483648");
});

it.each(FAMILIES)("carry streams, and share a port of the client's: %s", async (family) => {
  const text = "0123456789".repeat(100_000);
  const dialer = await lab.pod("a").dialer();
  const node = lab.address("node", family);
  // Both would be the same connection to NAT's port of the node.
  const places = [
    [node, lab.nodePort("b", family, "TCP")],
    [node, lab.nodePort("d", family, "TCP")],
    [lab.vip("b", family, "TCP"), 80],
    [lab.vip("d", family, "TCP"), 80],
  ] as const;
  const connections = [];
  for (const [address, port] of places) {
    connections.push(await dialer.open(address, port, { localPort: 5_555 }));
  }
  for (const connection of connections) {
    expect((await connection.echo(text, 30_000)) === text).toBe(true);
  }
  for (const connection of connections) await connection.close();
});

it("refuse who dials NAT's ports directly", async () => {
  for (const family of FAMILIES) {
    for (const from of ["a", "outside"]) {
      const seen = await lab.seen(from, lab.address("node", family), 15405, "TCP");
      expect(seen).toBe("refused");
    }
  }
});

it("as explain says", async (context) => {
  context.skip(!hasSetting, NO_SETTING);
  for (const family of FAMILIES) {
    const address = lab.vip("b", family, "TCP");
    const to = `${family === "IPv6" ? `[${address}]` : address}:80/tcp`;
    const asked = ["explain", "--from", lab.address("a", family), to, "-o", "json"];
    const { stdout } = await lab.portico.command(...asked);
    const { disagreements, backends, listener } = JSON.parse(stdout) as Explanation;
    expect(disagreements).toEqual([]);
    expect(backends).toMatchObject([{ source: lab.address("a", family), sourceIs: "kept" }]);
    expect(listener).toMatch(/^redirect-keep/);
  }
});

it("check says so", async (context) => {
  context.skip(!hasSetting, NO_SETTING);
  const portico = join(import.meta.dirname, "../../build/portico");
  const args = [portico, "check", ...REDIRECT];
  const { stdout } = await lab.node.exec(process.execPath, args, { allowFailure: true });
  expect(stdout).toMatch(/^note +TCP connections of Pods on a bridge .* by NAT.*: cni0 /m);
});

it("outlive their frontend, and the next is decided anew", async () => {
  const connections = await Promise.all(FAMILIES.map((family) => open(family, "b")));
  const answers = () => Promise.all(FAMILIES.map((family) => lab.ask("a", "b", family, "TCP")));
  const none = lab.objects().filter(({ kind }) => kind !== "EndpointSlice");
  lab.portico.write(none);
  await eventually("refused", 10_000, async () => {
    return (await answers()).every((answer) => answer === "refused");
  });
  for (const connection of connections) {
    expect(await connection.echo("still there")).toBe("still there");
    await connection.close();
  }
  lab.portico.write(lab.objects());
  await eventually("served again", 10_000, async () => {
    const answered = await answers();
    return FAMILIES.every((family, index) => answered[index] === lab.address("a", family));
  });
});

it("leave what has begun elsewhere alone, when a Service gets its address", async () => {
  const address = lab.address("d", "IPv4");
  const dialer = await lab.pod("a").dialer();
  const connection = await dialer.open(address, 8080);
  const sketch = { name: "takes", clusterIP: "10.96.0.99", endpoints: [lab.address("b", "IPv4")] };
  const [service, ...slices] = serviceObjects({ ...sketch, port: 8080 });
  const spec = { ...(service?.spec as object), externalIPs: [address] };
  lab.portico.write([...lab.objects(), { ...service, spec }, ...slices]);
  await eventually("the Service has the address", 10_000, async () => {
    return (await dialer.dialOnce(address, 8080)).name === "b";
  });
  expect(await connection.echo("still there")).toBe("still there");
  await connection.close();
  lab.portico.write(lab.objects());
});

it("outlive Envoy's replacement, and a controller that relies on the order again", async () => {
  const connections = await Promise.all(FAMILIES.map((family) => open(family, "d")));
  const { code } = await lab.portico.command("envoy", "replace", "--drain-time", "1m");
  expect(code).toBe(0);
  for (const family of FAMILIES) {
    expect(await lab.ask("a", "b", family, "TCP")).toBe(lab.address("a", family));
    if (hasSetting) expect(await redirected(family, "1541[567]")).toBeGreaterThan(0);
  }
  await lab.portico.end("SIGTERM");
  await lab.start("--bridge-capture", "order");
  for (const family of FAMILIES) {
    const before = await redirected(family);
    expect(await lab.ask("a", "b", family, "TCP")).toBe(lab.address("a", family));
    expect(await redirected(family)).toBe(before);
  }
  for (const connection of connections) {
    expect(await connection.echo("still there")).toBe("still there");
    await connection.close();
  }
});
