// A function, and traffic → what it picked, what failed where, and what a pick costs: the linked
// module in Node's V8, which is Envoy's engine too.

import { fuelFor } from "../linker/api.ts";
import type { FunctionModule } from "../linker/check-function.ts";
import { link } from "../linker/link.ts";
import { ANY_BACKEND } from "../linker/outcome.ts";
import { HOST_IMPORTS, hostModule } from "./host-module.ts";
import { backendName, type Traffic } from "./replay-connections.ts";
import { ReplayNode } from "./replay-node.ts";

const STATE_ADDRESS = 1_024;
/** How many connections are open at a time. */
const OPEN_AT_A_TIME = 200;
/** The time of a pick is that of the fastest of these. */
const TIMED_ROUNDS = 7;
const TIMED_PICKS = 2_000;

/** What a policy does with the traffic. */
export interface Tally {
  /** Connections by backend, in the order of the backends. */
  readonly picks: readonly number[];
  /** Of the picks, those that were left to the built-in pick: it returned null, or failed. */
  readonly any: number;
  /** Failures by text, the most frequent first. */
  readonly failures: readonly (readonly [string, number])[];
  /** The highest number of connections that one backend had open, over the mean at the end. */
  readonly fullest: number;
  /** Percent of connections that went to the same backend as the client's one before. */
  readonly kept: number;
  /** Percent that stayed in the zone of the node. */
  readonly ownZone: number;
}

export interface Replayed {
  readonly names: readonly string[];
  readonly tally: Tally;
  /** The same connections with the built-in random pick. */
  readonly random: Tally;
  readonly nanoseconds: number;
  /** Of one pick: the mean, the largest, and what it may use. */
  readonly fuel: { readonly mean: number; readonly largest: number; readonly limit: number };
  /** Of its own module, and how much larger the plugin becomes. */
  readonly moduleBytes: number;
  readonly linkedBytes: number;
}

/** It is not linked; the message says why, with the line. */
export class FunctionRefusedError extends Error {
  override readonly name = "FunctionRefusedError";
}

interface Runner {
  pick(): number;
  fuelLeft(): number;
}

/** The part of the API used here; TypeScript declares it for browsers only. */
interface Engine {
  compile(wasm: Uint8Array): Promise<object>;
  instantiate(module: object, imports: object): Promise<{ exports: Record<string, unknown> }>;
}
const { WebAssembly } = globalThis as unknown as { WebAssembly: Engine };

/** `clock` gives nanoseconds. Throws FunctionRefusedError. */
export async function replay(
  module: FunctionModule,
  traffic: Traffic,
  seed: number,
  startSeconds: number,
  clock: () => bigint,
): Promise<Replayed> {
  const linked = link(hostModule(), [module]);
  const slot = linked.slots[0];
  if (!slot || slot.refused) {
    const { reason, line } = slot?.refused ?? { reason: "it was not linked", line: undefined };
    throw new FunctionRefusedError(line === undefined ? reason : `${line}: ${reason}`);
  }
  const node = new ReplayNode(traffic, randomFrom(seed), startSeconds);
  const limit = fuelFor(traffic.backends.length);
  const runner = await runnerOf(linked.wasm, node, limit);
  const fuel = { sum: 0, largest: 0 };
  const tally = tallyOf(traffic, node, () => {
    const answer = runner.pick();
    const used = limit - runner.fuelLeft();
    fuel.sum += used;
    fuel.largest = Math.max(fuel.largest, used);
    return { answer, failure: slot.failureText(answer) };
  });
  const plain = new ReplayNode(traffic, randomFrom(seed), startSeconds);
  return {
    names: traffic.backends.map(backendName),
    tally,
    random: tallyOf(traffic, plain, () => ({ answer: plain.any(), failure: undefined })),
    nanoseconds: timeOf(runner, clock),
    fuel: { mean: fuel.sum / traffic.connections.length, largest: fuel.largest, limit },
    moduleBytes: module.wasm.length,
    linkedBytes: slot.bytes,
  };
}

async function runnerOf(wasm: Uint8Array, node: ReplayNode, fuel: number): Promise<Runner> {
  const { exports } = await WebAssembly.instantiate(await WebAssembly.compile(wasm), {
    [HOST_IMPORTS]: node.imports(),
  });
  const { pick, fuel_left, memory } = exports as unknown as {
    pick(slot: number, count: number, state: number, fuel: number): number;
    fuel_left(): number;
    memory: { buffer: ArrayBuffer };
  };
  new Uint8Array(memory.buffer).fill(0);
  const count = node.backends.length;
  const pickOnce = () => {
    node.beginPick();
    return pick(0, count, STATE_ADDRESS, fuel);
  };
  return { pick: pickOnce, fuelLeft: fuel_left };
}

function tallyOf(
  { backends, connections }: Traffic,
  node: ReplayNode,
  pick: () => { answer: number; failure: string | undefined },
): Tally {
  const picks = backends.map(() => 0);
  const failures = new Map<string, number>();
  const last = new Map<string, number>();
  const open: number[] = [];
  let any = 0;
  let kept = 0;
  let ownZone = 0;
  let most = 0;
  for (const connection of connections) {
    node.begin(connection);
    const { answer, failure } = pick();
    if (failure !== undefined) failures.set(failure, (failures.get(failure) ?? 0) + 1);
    if (answer <= ANY_BACKEND) any++;
    const index = answer <= ANY_BACKEND ? node.any() : answer;
    picks[index] = (picks[index] ?? 0) + 1;
    if (last.get(connection.client) === index) kept++;
    last.set(connection.client, index);
    if (backends[index]?.zone === 1) ownZone++;
    open.push(index);
    node.opened[index] = (node.opened[index] ?? 0) + 1;
    node.open[index] = (node.open[index] ?? 0) + 1;
    most = Math.max(most, node.open[index] ?? 0);
    const closed = open.length > OPEN_AT_A_TIME ? open.shift() : undefined;
    if (closed !== undefined) node.open[closed] = (node.open[closed] ?? 0) - 1;
  }
  const percent = (count: number) => (100 * count) / connections.length;
  return {
    picks,
    any,
    failures: [...failures].sort(([, one], [, other]) => other - one),
    fullest: (most * backends.length) / open.length,
    kept: percent(kept),
    ownZone: percent(ownZone),
  };
}

function timeOf(runner: Runner, clock: () => bigint): number {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < TIMED_ROUNDS; round++) {
    const start = clock();
    for (let pick = 0; pick < TIMED_PICKS; pick++) runner.pick();
    least = Math.min(least, Number(clock() - start) / TIMED_PICKS);
  }
  return least;
}

/** Returns whole numbers below a limit, the same for the same seed (mulberry32). */
export function randomFrom(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}
