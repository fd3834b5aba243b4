// Connections: which backend they get, how evenly, and that none is left over.

import { beforeEach, describe, expect, it } from "vitest";
import { deltaFrame } from "../../controller/wire/frames.ts";
import { keyBytesFromFrontend } from "../../controller/wire/key.ts";
import { WasmHost } from "./host.ts";
import { backends, backendText, frontend, PLUGIN, record, snapshot } from "./table-fixtures.ts";

let host: WasmHost;
beforeEach(async () => {
  host = await WasmHost.load(PLUGIN, { workers: 2, seed: 42 });
});

/** How often each backend was picked. */
function pickOften(destination: string, times: number): Map<string, number> {
  const seen = new Map<string, number>();
  for (let i = 0; i < times; i++) {
    const { backend = "closed" } = host.connect(destination, { worker: i % 2 });
    seen.set(backend, (seen.get(backend) ?? 0) + 1);
  }
  return seen;
}

describe("a pick", () => {
  it.each([1, 2, 3, 7, 128, 129, 300])("among %i backends is uniform", (count) => {
    const list = backends(count);
    host.pushAll(snapshot([frontend(1, { backends: list }), frontend(2)], 1));
    const times = 200 * count;
    const seen = pickOften("10.96.0.1:80", times);
    expect([...seen.keys()].sort()).toEqual(list.map(backendText).sort());
    const expected = times / count;
    let chiSquare = 0;
    for (const observed of seen.values()) chiSquare += (observed - expected) ** 2 / expected;
    // Mean and standard deviation of the distribution; the seed is fixed, so this never flickers.
    const degrees = count - 1;
    expect(chiSquare).toBeLessThanOrEqual(degrees + 4 * Math.sqrt(2 * degrees));
    expect(host.counter("picks")).toBe(times);
  });

  it("differs between workers and seeds, and not between runs", async () => {
    const row = async (seed: number, worker: number) => {
      const own = await WasmHost.load(PLUGIN, { workers: 2, seed });
      own.pushAll(snapshot([frontend(1, { backends: backends(100) })], 1));
      return Array.from({ length: 20 }, () => own.connect("10.96.0.1:80", { worker }).backend);
    };
    expect(await row(1, 0)).toEqual(await row(1, 0));
    expect(await row(1, 0)).not.toEqual(await row(1, 1));
    expect(await row(1, 0)).not.toEqual(await row(2, 0));
  });

  it("knows address, port and protocol apart", () => {
    const only = (last: number) => [{ address: `10.9.0.${last}`, port: last, local: false }];
    host.pushAll(
      snapshot(
        [
          frontend(1, { backends: only(1) }),
          frontend(1, { port: 81, backends: only(2) }),
          frontend(1, { protocol: "UDP", backends: only(3) }),
          frontend(2, { backends: only(4) }),
        ],
        1,
      ),
    );
    expect(host.connect("10.96.0.1:80")).toEqual({ backend: "10.9.0.1:1" });
    expect(host.connect("10.96.0.1:81")).toEqual({ backend: "10.9.0.2:2" });
    expect(host.connect("10.96.0.2:80")).toEqual({ backend: "10.9.0.4:4" });
    expect(host.connect("10.96.0.2:81")).toEqual({ closed: "unknown-frontend" });
  });
});

describe("IPv6", () => {
  it.each([
    ["fd00::a", "[fd00::a]:80"],
    ["fd00::a", "[fd00:0:0:0:0:0:0:a]:80"],
    ["fd00::a", "[FD00::000A]:80"],
    ["::1", "[::1]:80"],
    ["1::", "[1::]:80"],
    ["1:2:3:4:5:6:7:8", "[1:2:3:4:5:6:7:8]:80"],
    ["64:ff9b::102:304", "[64:ff9b::1.2.3.4]:80"],
    ["10.96.0.1", "[::ffff:10.96.0.1]:80"],
  ])("%s is found as %s", (address, destination) => {
    const list = address.includes(":")
      ? [{ address: "fd00:1::b", port: 65535, local: false }]
      : [{ address: "10.1.2.3", port: 65535, local: false }];
    host.pushAll(snapshot([frontend(1, { address, backends: list })], 1));
    const text = address.includes(":") ? "[fd00:1:0:0:0:0:0:b]:65535" : "10.1.2.3:65535";
    expect(host.connect(destination)).toEqual({ backend: text });
  });
});

describe("is closed and counted", () => {
  it("when the table has no such frontend, or there is no table", () => {
    expect(host.connect("10.96.0.1:80")).toEqual({ closed: "unknown-frontend" });
    host.pushAll(snapshot([frontend(2)], 1));
    expect(host.connect("10.96.0.1:80")).toEqual({ closed: "unknown-frontend" });
    expect(host.counter("unknown_frontend")).toBe(2);
    expect(host.counter("picks")).toBe(0);
  });

  it("when the frontend has no backend", () => {
    host.pushAll(snapshot([frontend(1, { backends: [] })], 1));
    expect(host.connect("10.96.0.1:80")).toEqual({ closed: "no-backend" });
    expect(host.counter("no_backend")).toBe(1);
    expect(host.logs.at(-1)?.message).toBe(
      "connection to 10.96.0.1:80 refused: the frontend has no backend",
    );
  });

  it.each([
    "",
    "/run/portico/x.sock",
    "10.96.0.1",
    ":80",
    "10.96.0.1:",
    "10.96.0.1:80x",
    "10.96.0.1:65536",
    "10.96.0:80",
    "10.96.0.1.2:80",
    "10.96.0.256:80",
    "[fd00::a:80",
    "[]:80",
    "[:]:80",
    "[1::2::3]:80",
    "[1:2:3:4:5:6:7]:80",
    "[1:2:3:4:5:6:7:8:9]:80",
    "[fd00::a%eth0]:80",
    "[::1.2.3]:80",
    "[12345::]:80",
  ])("when its destination is %j", (destination) => {
    host.pushAll(snapshot([frontend(1)], 1));
    expect(host.connect(destination)).toEqual({ closed: "unknown-frontend" });
  });

  it("with at most one line of log a second", async () => {
    let seconds = 100n;
    const own = await WasmHost.load(PLUGIN, { now: () => seconds * 1_000_000_000n });
    for (let i = 0; i < 1000; i++) own.connect("10.96.0.1:80");
    expect(own.logs).toHaveLength(1);
    seconds++;
    own.connect("10.96.0.1:80");
    expect(own.logs.at(-1)?.message).toContain("(and 999 such messages left out)");
  });
});

it("is named for the flow log where that is wanted, whether it gets a backend or not", async () => {
  const long = frontend(3, { namespace: "n".repeat(63), portName: "p".repeat(63), backends: [] });
  const plain = frontend(2, { portName: "" });
  const named = await WasmHost.load(PLUGIN, { build: "b,names" });
  named.pushAll(snapshot([frontend(1), plain, long], 1));
  const nameOf = (destination: string, at = named) => {
    const { name, end } = at.open(destination);
    end();
    return name;
  };
  expect(nameOf("10.96.0.1:80")).toBe("shop/web-1:http");
  expect(nameOf("10.96.0.2:80")).toBe("shop/web-2");
  expect(nameOf("10.96.0.3:80")).toBe(`${"n".repeat(63)}/web-3:${"p".repeat(63)}`);
  expect(nameOf("10.96.0.4:80")).toBeUndefined();
  host.pushAll(snapshot([frontend(1)], 1));
  expect(nameOf("10.96.0.1:80", host)).toBeUndefined();
});

it("leaves no memory behind: connections", () => {
  host.pushAll(snapshot([frontend(1), frontend(2, { backends: backends(300) }), frontend(3)], 1));
  const destinations = ["10.96.0.1:80", "10.96.0.2:80", "10.96.9.9:80", "nonsense"];
  const run = (times: number) => {
    for (let i = 0; i < times; i++) host.connect(destinations[i % destinations.length] ?? "");
  };
  run(1000);
  const before = host.memoryBytes();
  run(100_000);
  expect(host.memoryBytes()).toBe(before);
  host.close();
});

it("leaves no memory behind: pushes and dumps", () => {
  const long = frontend(1, { backends: backends(1000) });
  host.pushAll(snapshot([long, frontend(2)], 1));
  let version = 1;
  const run = (times: number) => {
    for (let i = 0; i < times; i++) {
      const upserts = [record(i % 2 === 0 ? frontend(1) : long), record(frontend(2))];
      host.push(deltaFrame({ upserts, removals: [] }, version, ++version));
      host.push(deltaFrame({ upserts: [], removals: [] }, 1, 2));
      host.push(new Uint8Array(100));
      host.request("GET", "/v1/dump?first=0&count=16384");
      const removals = [keyBytesFromFrontend(frontend(2))];
      host.push(deltaFrame({ upserts: [], removals }, version, ++version));
    }
  };
  run(5);
  const before = host.memoryBytes();
  const shared = host.shared.content().size;
  run(40);
  expect(host.memoryBytes()).toBe(before);
  expect(host.shared.content().size).toBe(shared);
  host.close();
});
