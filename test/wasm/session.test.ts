// Which backend a client goes on with by session affinity, as somebody who asks is told.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { TableClient } from "../../controller/table/client.ts";
import { deltaFrame } from "../../controller/wire/frames.ts";
import { keyBytesFromFrontend } from "../../controller/wire/key.ts";
import { WasmHost } from "./host.ts";
import { backends, frontend, PLUGIN, record, snapshot } from "./table-fixtures.ts";
import { serveTable } from "./table-server.ts";

const SECOND = 1_000_000_000n;
const TIMEOUT = 60;
const CLIENT = "10.2.0.7";
const LOCAL = backends(5).filter(({ local }) => local);
const WEB = frontend(1, {
  verdict: "local",
  backends: backends(5),
  localBackends: LOCAL,
  affinityTimeoutSeconds: TIMEOUT,
});
const PLAIN = frontend(2);
const V6 = frontend(3, {
  address: "fd00:96::a",
  backends: [{ address: "fd00:1::7", port: 8080, local: false }],
  affinityTimeoutSeconds: TIMEOUT,
});

let time: bigint;
let host: WasmHost;
beforeEach(async () => {
  time = 1_000n * SECOND;
  host = await WasmHost.load(PLUGIN, { workers: 2, steadyNow: () => time });
  host.pushAll(snapshot([WEB, PLAIN, V6], 1));
});

function ask(query: string): { status: number; body: string } {
  const { status, body } = host.request("GET", `/v1/session?${query}`);
  return { status, body: body.toString("utf8") };
}

function session(client = CLIENT, at = "10.96.0.1:80", list = "cluster"): unknown {
  const { status, body } = ask(`frontend=${at}&client=${client}:0&list=${list}`);
  expect(status, body).toBe(200);
  return JSON.parse(body);
}

describe("a client", () => {
  it("that never came has no backend; asking makes it none", () => {
    expect(session()).toEqual({ backend: null, seconds: 0 });
    expect(session()).toEqual({ backend: null, seconds: 0 });
  });

  it("goes on with the one that it is told of, within the time left", () => {
    const { backend } = host.connect("10.96.0.1:80", { source: `${CLIENT}:1024` });
    expect(session()).toEqual({ backend, seconds: TIMEOUT });
    time += 20n * SECOND;
    expect(session()).toEqual({ backend, seconds: TIMEOUT - 20 });
    expect(host.connect("10.96.0.1:80", { source: `${CLIENT}:1025` }).backend).toBe(backend);
    expect(session()).toEqual({ backend, seconds: TIMEOUT });
    expect(session("10.2.0.8")).toEqual({ backend: null, seconds: 0 });
  });

  it("is forgotten after the timeout, which asking does not begin anew", () => {
    host.connect("10.96.0.1:80", { source: `${CLIENT}:1024` });
    time += BigInt(TIMEOUT - 1) * SECOND;
    expect(session()).toMatchObject({ seconds: 1 });
    time += SECOND;
    expect(session()).toEqual({ backend: null, seconds: 0 });
  });

  it("has none of a backend that is not listed any more", () => {
    host.connect("10.96.0.1:80", { source: `${CLIENT}:1024` });
    const others = backends(3, 9);
    const changed = { ...WEB, verdict: "keep" as const, backends: others, localBackends: [] };
    const removals = [keyBytesFromFrontend(WEB, "local")];
    host.pushAll([deltaFrame({ upserts: [record(changed)], removals }, 1, 2)]);
    expect(session()).toEqual({ backend: null, seconds: 0 });
  });

  it("has one of another list where that has its backend", () => {
    for (let index = 0; index < 32; index++) {
      const client = `10.2.1.${index}`;
      const { backend } = host.connect("10.96.0.1:80", { source: `${client}:1024` });
      const isLocal = LOCAL.some(({ address, port }) => `${address}:${port}` === backend);
      const expected = isLocal ? { backend, seconds: TIMEOUT } : { backend: null, seconds: 0 };
      expect(session(client, "10.96.0.1:80", "local"), client).toEqual(expected);
    }
  });

  it("has none where there is no session affinity, or no such frontend", () => {
    host.connect("10.96.0.2:80", { source: `${CLIENT}:1024` });
    expect(session(CLIENT, "10.96.0.2:80")).toEqual({ backend: null, seconds: 0 });
    expect(session(CLIENT, "10.96.0.9:80")).toEqual({ backend: null, seconds: 0 });
  });
});

it("the table client reads it, of both families", async () => {
  const directory = await mkdtemp(join(tmpdir(), "portico-session-"));
  const server = await serveTable(host, join(directory, "table.sock"));
  const client = new TableClient(join(directory, "table.sock"));
  onTestFinished(async () => {
    client.close();
    server.closeAllConnections();
    server.close();
    await rm(directory, { recursive: true });
  });
  expect(await client.session(V6, "cluster", "fd00:2::1")).toBeUndefined();
  host.connect("[fd00:96::a]:80", { source: "[fd00:2::1]:1024" });
  const expected = { address: "fd00:1::7", port: 8080, seconds: TIMEOUT };
  expect(await client.session(V6, "cluster", "fd00:2::1")).toEqual(expected);
});

it("takes any question without a trap", () => {
  const part = fc.oneof(
    fc.constantFrom("frontend=", "client=", "list=", "10.96.0.1:80", "[fd00::1]:0", "&", "local"),
    fc.string({ unit: "grapheme-ascii", maxLength: 50 }),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      expect([200, 400]).toContain(ask(parts.join("")).status);
    }),
  );
});

it.each([
  "",
  "?",
  "frontend=10.96.0.1:80",
  "client=10.2.0.7:0",
  "frontend=10.96.0.1:80&client=[fd00::1]:0",
  "frontend=10.96.0.1&client=10.2.0.7:0",
  "frontend=10.96.0.1:80&client=10.2.0.7:0&list=both",
  "frontend=10.96.0.1:80&client=10.2.0.7:0&more=1",
  "frontend=10.96.0.1:80&client",
  "frontend=&client=&list=",
])("refuses the question %j", (query) => {
  const { status, body } = ask(query);
  expect(status).toBe(400);
  expect(JSON.parse(body).error).toContain("session wants ?frontend=ADDRESS:PORT");
});
