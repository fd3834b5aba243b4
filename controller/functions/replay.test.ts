import { expect, it } from "vitest";
import { handWritten, i32 } from "../../test/functions/wat.ts";
import { I32, OP } from "../linker/opcodes.ts";
import { parseExpectation, unmet } from "./expectations.ts";
import { FunctionRefusedError, randomFrom, replay } from "./replay.ts";
import { makeTraffic, readFlowLog } from "./replay-connections.ts";
import { describeReplay } from "./replay-text.ts";

const traffic = makeTraffic(
  { connections: 1_000, clients: 20, groups: [4, 2], isIPv6: false },
  randomFrom(1),
);
let ticks = 0n;
const clock = () => ++ticks * 1_000n;

function replayed(wasm: Uint8Array, parameters = {}) {
  return replay({ name: "f", wasm, parameters }, traffic, 1, 0, clock);
}

it("counts what a function picks, leaves open, and fails at", async () => {
  // The group of a backend at random; 9 of one that is in group 1, which is not in the list.
  const found = await replayed(
    handWritten({
      api: ["any", "group"],
      functions: [
        { locals: [I32], code: [OP.call, 0, OP.localTee, 0, OP.call, 1, ...i32(9), 0x6c] },
      ],
    }),
  );
  const failed = found.tally.failures[0]?.[1] ?? 0;
  expect(found.tally.picks.reduce((sum, each) => sum + each, 0)).toBe(1_000);
  expect(found.tally.picks[0]).toBeGreaterThan(600);
  expect(failed).toBe(found.tally.any);
  expect(failed).toBeGreaterThan(250);
  expect(found.fuel).toMatchObject({ largest: 27, limit: 21_200 });
  const text = describeReplay("f.ts", found);
  expect(text).toContain("10.1.0.1:8080");
  expect(text).toContain(`${failed}  it returned a backend that is not in the list`);
});

it("gives the same for the same seed", async () => {
  const wasm = handWritten({ api: ["any"], functions: [{ code: [OP.call, 0] }] });
  const [one, other] = [await replayed(wasm), await replayed(wasm)];
  expect(other.tally).toEqual(one.tally);
  expect(one.tally).toEqual(one.random);
});

it("says why a function is refused", async () => {
  const refused = replayed(handWritten({ functions: [{ code: [OP.call, 0] }] }));
  await expect(refused).rejects.toThrow(FunctionRefusedError);
  await expect(replayed(handWritten({ functions: [{ code: i32(0) }] }), { a: 1 })).rejects.toThrow(
    'no parameter "a"',
  );
});

it.each([
  ["failures=0", undefined],
  ["10.1.0.1:8080=100", undefined],
  ["group-0=99.5..", undefined],
  ["group-1=1..", "group-1=1..: it is 0"],
  ["any=..0", undefined],
  ["fuel=..3", "fuel=..3: it is 5"],
  ["own-zone=100", undefined],
  ["luck=1", "there is no such value"],
])("expects %s", async (text, difference) => {
  const found = await replayed(handWritten({ functions: [{ code: i32(0) }] }));
  const result = unmet(parseExpectation(text), found, traffic);
  if (difference === undefined) expect(result).toBeUndefined();
  else expect(result).toContain(difference);
});

it.each(["", "=1", "failures", "failures=", "failures=x", "failures=1..x"])(
  "refuses the expectation %j",
  (text) => {
    expect(() => parseExpectation(text)).toThrow("write WHAT=NUMBER");
  },
);

const LOG = [
  { protocol: "TCP", client: "10.0.0.1:40000", service: "shop/web:http", backend: "10.1.0.2:80" },
  {
    protocol: "TCP",
    client: "[fd00::1]:1",
    service: "shop/web",
    backend: null,
    attempted: "10.1.0.3:80,10.1.0.1:80",
  },
  { protocol: "TCP", client: "10.0.0.2:1", service: "shop/website", backend: "10.9.0.1:80" },
  { protocol: "UDP", client: "10.0.0.3:1", service: "shop/web", backend: "10.9.0.2:80" },
].map((line) => JSON.stringify(line));

it("reads the connections and backends of a flow log", () => {
  const read = readFlowLog(`${LOG.join("\n")}\n`, "shop/web");
  expect(read.connections).toEqual([
    { client: "10.0.0.1", clientPort: 40_000 },
    { client: "fd00::1", clientPort: 1 },
  ]);
  expect(read.backends.map(({ address }) => address)).toEqual(["10.1.0.1", "10.1.0.2", "10.1.0.3"]);
  expect(readFlowLog(LOG.join("\n"), undefined).connections).toHaveLength(3);
});

it("says which line of a flow log it cannot read, and that there is nothing in it", () => {
  expect(() => readFlowLog(`${LOG[0]}\nnot JSON\n`, undefined)).toThrow("line 2 of the flow log");
  expect(() => readFlowLog("\n", undefined)).toThrow("no TCP connection");
  expect(() => readFlowLog(LOG.join("\n"), "shop/none")).toThrow("no TCP connection");
});

it("makes traffic of IPv6", () => {
  const made = makeTraffic(
    { connections: 3, clients: 2, groups: [2], isIPv6: true },
    randomFrom(1),
  );
  expect(made.backends.map(({ address }) => address)).toEqual(["fd00:1:0::1", "fd00:1:0::2"]);
  expect(made.connections.every(({ client }) => client.startsWith("fd00:200::"))).toBe(true);
});
