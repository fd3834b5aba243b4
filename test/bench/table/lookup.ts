// One lookup in a small table and in a large one, measured twice: in the fake host of test/wasm,
// where it is nearly alone, and through real Envoy as CPU time of whole connections, where it is
// what it is in life.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { shippedPlugin } from "../../../controller/config/run-options.ts";
import { NodeFollower } from "../../../controller/node/follow-cluster.ts";
import type { Frontend } from "../../../controller/node/types.ts";
import { recordFromFrontend } from "../../../controller/wire/encode.ts";
import { snapshotFrames } from "../../../controller/wire/frames.ts";
import { WasmHost } from "../../wasm/host.ts";
import type { Peer } from "../connections/peer.ts";
import { endPeer, makePeer } from "../connections/peers.ts";
import { runRounds } from "../connections/rounds.ts";
import { loadPrograms } from "../load/programs.ts";
import { type Summary, summarize } from "../statistics.ts";
import { NODE_NAME, syntheticState } from "../synthetic-cluster.ts";

export interface LookupFigures {
  services: number;
  /** One call of the plugin in the fake host, µs: lookup, pick, filter state, counter. */
  hostUs: Summary;
  /** CPU time of Envoy for a whole connection, µs. */
  envoyUs: Summary;
}

interface LookupOptions {
  /** Table sizes to compare. */
  services: readonly [number, number];
  rounds: number;
  envoy: string;
  workers: number;
}

export async function measureLookups(options: LookupOptions): Promise<LookupFigures[]> {
  const hostUs = await inFakeHost(options);
  const envoyUs = await throughEnvoy(options);
  return options.services.map((services, index) => ({
    services,
    hostUs: summarize(hostUs[index] ?? []),
    envoyUs: summarize(envoyUs[index] ?? []),
  }));
}

const ENDPOINTS_EACH = 10;
const CALLS_A_ROUND = 20_000;
const FRONTENDS_DIALLED = 10;

/** µs a call, one sample for each round, for each table size. */
async function inFakeHost({ services, rounds }: LookupOptions): Promise<number[][]> {
  const tables = await Promise.all(services.map(hostWithTable));
  const samples: number[][] = services.map(() => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [index, { host, frontends }] of tables.entries()) {
      const usEach = callMany(host, frontends);
      if (round > 0) samples[index]?.push(usEach);
    }
  }
  return samples;
}

async function hostWithTable(services: number): Promise<{ host: WasmHost; frontends: Frontend[] }> {
  const state = syntheticState({ services, endpointsEach: ENDPOINTS_EACH });
  const options = { nodeName: NODE_NAME, serviceProxyName: undefined, serviceCIDRs: [] };
  const frontends = new NodeFollower(state, options).update().upserted;
  const records = frontends.flatMap((frontend) => recordFromFrontend(frontend).record ?? []);
  const host = await WasmHost.load(shippedPlugin());
  host.pushAll(snapshotFrames(records, 1, 128 * 1024));
  return { host, frontends };
}

/** Always the same few frontends: more of them would measure the caches of this machine. */
function callMany(host: WasmHost, frontends: readonly Frontend[]): number {
  const dialled = frontends.slice(0, FRONTENDS_DIALLED).map(({ address, port }) => {
    return `${address}:${port}`;
  });
  const start = performance.now();
  for (let call = 0; call < CALLS_A_ROUND; call++) {
    host.connect(dialled[call % dialled.length] as string);
  }
  return ((performance.now() - start) * 1_000) / CALLS_A_ROUND;
}

/** µs a connection, one sample for each round, for each table size. */
async function throughEnvoy(options: LookupOptions): Promise<number[][]> {
  const directory = await mkdtemp(join(tmpdir(), "portico-bench-"));
  const peers: Peer[] = [];
  try {
    const programs = loadPrograms();
    for (const services of options.services) {
      const place = join(directory, String(services));
      const setUp = { ...options, programs, services, directory: place };
      peers.push({ ...(await makePeer("portico", setUp)), name: String(services) });
    }
    const loads = { new: { connections: 5_000, concurrency: 50, requestsEach: 1 } };
    const { rounds } = options;
    const samples = await runRounds({ programs, peers, loads, rounds });
    return peers.map(({ name }) =>
      samples.filter(({ peer }) => peer === name).flatMap(({ cpuUs }) => cpuUs ?? []),
    );
  } finally {
    for (const peer of peers) await endPeer(peer);
    await rm(directory, { recursive: true, force: true });
  }
}
