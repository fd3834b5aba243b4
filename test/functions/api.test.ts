// The API as authors see it: each property asks the plugin for the right thing.

import { expect, it } from "vitest";
import type { FunctionModule } from "../../controller/linker/check-function.ts";
import { addressBytes } from "../../controller/model/ip.ts";
import { compiledBody } from "./compiled.ts";
import { type ApiAnswers, StrictHost } from "./strict-host.ts";

function halves(address: string): { high: bigint; low: bigint } {
  const bytes = Buffer.from(addressBytes(address));
  if (bytes.length === 4) return { high: 0n, low: (0xffffn << 32n) | BigInt(bytes.readUInt32BE()) };
  return { high: bytes.readBigUInt64BE(), low: bytes.readBigUInt64BE(8) };
}

const FIRST_COUNT = 100;

/** One module for many expressions, as each compilation takes its time: `cases[n]` is asked for. */
async function answersOf(
  cases: readonly (readonly [expression: string, answers: ApiAnswers])[],
): Promise<number[]> {
  const arms = cases.map(([expression], index) => `case ${index}: return backends[${expression}];`);
  const body = `const backend = backends[3];
    switch (backends.length - ${FIRST_COUNT}) { ${arms.join("\n")} }
    return null;`;
  const module = await compiledBody(body);
  const found = [];
  for (const [index, [, answers]] of cases.entries()) {
    found.push(await answer(module, answers, FIRST_COUNT + index));
  }
  return found;
}

async function answer(
  module: FunctionModule,
  answers: ApiAnswers = {},
  count = FIRST_COUNT,
): Promise<number> {
  const host = await StrictHost.of([module], answers);
  const slot = host.linked.slots[0];
  if (slot?.refused) throw new Error(slot.refused.reason);
  return host.pick({ count }).answer;
}

const signed = (value: bigint) => BigInt.asIntN(64, value);
const addresses = (...texts: string[]): ApiAnswers => ({
  addressHigh: (who: number) => signed(halves(texts[Math.max(who, 0)] ?? "::").high),
  addressLow: (who: number) => signed(halves(texts[Math.max(who, 0)] ?? "::").low),
});

const FLAGS = ["isLocal", "isReady", "isTerminating"];

it("reads the properties of a backend", async () => {
  const names = [
    "port",
    "zone",
    "node",
    "group",
    "hash",
    "open",
    "opened",
    "failures",
    "connectTime",
  ];
  const of = (index: number) => index * 10 + 1;
  const found = await answersOf(names.map((name) => [`<i32>backend.${name}`, { [name]: of }]));
  expect(found).toEqual(names.map(() => 31));
});

it("reads the flags of a backend", async () => {
  const cases = FLAGS.flatMap((name) =>
    [0, 1, 2, 4].map((flags) => [`backend.${name} ? 1 : 0`, { flags: () => flags }] as const),
  );
  expect(await answersOf(cases)).toEqual([0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]);
});

const VALUES: readonly (readonly [string, ApiAnswers, number])[] = [
  ["backends.any().index", { any: () => 7 }, 7],
  ["backends.byHash(12).index", { byHash: (hash: number) => hash + 1 }, 13],
  ["backends.groups", { groups: () => 3 }, 3],
  ["backends.groupSize(2)", { groupSize: (group: number) => group + 4 }, 6],
  ["random(40)", { random: (limit: number) => limit - 1 }, 39],
  ["connection.zone", { ownZone: () => 5 }, 5],
  ["<i32>connection.seconds", { seconds: () => 8.9 }, 8],
  ["<i32>(connection.unixSeconds - 1e9)", { unixSeconds: () => 1e9 + 4 }, 4],
  ["connection.clientPort", { port: (who: number) => 10 - who }, 11],
  ["connection.frontendPort", { port: (who: number) => 10 - who }, 12],
  ["<i32>(ipv4(10, 1, 0, 9) - 0x0a010000)", {}, 9],
];

it("gives the properties of the connection and the list", async () => {
  const found = await answersOf(VALUES.map(([expression, answers]) => [expression, answers]));
  expect(found).toEqual(VALUES.map(([, , expected]) => expected));
  expect(await answer(await compiledBody("return backends[backends.length - 1];"))).toBe(99);
});

it("gives null where the plugin finds none, which is any backend", async () => {
  const find = {
    find: (_high: bigint, low: bigint, port: number) =>
      low === 0xffff_0a01_0009n && port === 80 ? 6 : -1,
  };
  const finds = await compiledBody("return backends.findIPv4(ipv4(10, 1, 0, 9), 80);");
  const findsAtAnyPort = await compiledBody("return backends.findIPv4(ipv4(10, 1, 0, 9));");
  expect([await answer(finds, find), await answer(findsAtAnyPort, find)]).toEqual([6, -1]);
  const group = await compiledBody("return backends.anyOf(1);");
  expect(await answer(group, { anyOf: () => -1 })).toBe(-1);
});

it("fails the pick where the plugin answers no byHash any more", async () => {
  const module = await compiledBody("return backends.byHash(1);");
  const host = await StrictHost.of([module], { byHash: () => -1 });
  expect(host.failure()).toMatch(/a check failed/);
});

it("tells addresses apart, and finds their families", async () => {
  const body = `
    const one = backends[1].address;
    if (one.equals(backends[2].address)) return backends[10];
    if (!one.equals(connection.client)) return backends[11];
    return backends[one.isIPv4 ? <i32>(one.ipv4 & 15) : 12];`;
  const module = await compiledBody(body);
  expect(await answer(module, addresses("10.0.0.5", "10.0.0.5", "10.0.0.6"))).toBe(5);
  expect(await answer(module, addresses("fd00::5", "fd00::5", "fd00::6"))).toBe(12);
  expect(await answer(module, addresses("10.0.0.5", "10.0.0.6", "10.0.0.6"))).toBe(10);
  expect(await answer(module, addresses("10.0.0.5", "10.0.0.6", "10.0.0.7"))).toBe(11);
});

const NETWORKS: readonly (readonly [string, string, boolean])[] = [
  ["10.1.2.3", "10.1.2.3", true],
  ["10.1.2.3", "10.1.2.4", false],
  ["10.1.2.3", "10.1.0.0/16", true],
  ["10.2.2.3", "10.1.0.0/16", false],
  ["10.1.2.3", "0.0.0.0/0", true],
  ["10.1.2.3", "10.1.2.2/31", true],
  ["10.1.2.3", "::/0", true],
  ["10.1.2.3", "fd00::/8", false],
  ["fd00::1", "0.0.0.0/0", false],
  ["fd00::1", "fd00::/8", true],
  ["fe00::1", "fd00::/8", false],
  ["fd00:0:0:1::1", "fd00:0:0:1::/64", true],
  ["fd00:0:0:2::1", "fd00:0:0:1::/64", false],
  ["fd00::12:1", "fd00::12:0/112", true],
  ["fd00::13:1", "fd00::12:0/112", false],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", true],
  ["2001:db8:1:2:3:4:5:7", "2001:db8:1:2:3:4:5:6", false],
  ["2001:DB8::6".toLowerCase(), "2001:DB8::6", true],
  ["::1", "::1", true],
  ["::", "::/128", true],
  ["1::", "1::", true],
];

it("knows which addresses are in which networks", async () => {
  const tests = NETWORKS.map(
    ([, network], index) =>
      `if (backends[${index}].address.isIn("${network}")) state[${index}] = 1;`,
  );
  const module = await compiledBody(`${tests.join("\n")} return null;`);
  const host = await StrictHost.of([module], addresses(...NETWORKS.map(([address]) => address)));
  expect(host.failure({ count: 100, fuel: 200_000 })).toBeUndefined();
  const found = NETWORKS.map(([address, network], index) => [
    address,
    network,
    host.state[index * 4] === 1,
  ]);
  expect(found).toEqual(NETWORKS);
});

const NO_NETWORKS = [
  ...["", "10.1", "10.1.2.3.4", "10.1.2.256", "10.1.2.3/33", "10.1.2.3/", "a.b.c.d"],
  ...["fd00::/129", "fd00::1::2", ":::", "fd00:::1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9"],
  ...["fd00:12345::", "g::", "1:", ":1", "fd00::1:"],
];

it("fails the pick, in the line, where a text is no network", async () => {
  const module = await compiledBody(
    `const client = connection.client;
    if (client.isIn(WRONG[backends.length - 1])) return backends[0];
    return null;`,
    `const WRONG: StaticArray<string> = ${JSON.stringify(NO_NETWORKS)};`,
  );
  const host = await StrictHost.of([module]);
  for (const [index, network] of NO_NETWORKS.entries()) {
    const failure = `${network}: ${host.failure({ count: index + 1 })}`;
    expect(failure).toMatch(/a check failed.*, at pick\.ts:[34]$/);
  }
});

it("gives the same bytes for the same source, and hashes that differ", async () => {
  const body = "return backends[<i32>(connection.clientHash >>> 26)];";
  const module = await compiledBody(body);
  expect(Buffer.from((await compiledBody(body)).wasm)).toEqual(Buffer.from(module.wasm));
  const clients = Array.from({ length: 40 }, (_, index) => `10.0.0.${index}`);
  const hashes = await Promise.all(clients.map((client) => answer(module, addresses(client))));
  expect(new Set(hashes).size).toBeGreaterThan(20);
});
