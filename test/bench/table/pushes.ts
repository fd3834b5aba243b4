// A cluster of some size → how long Envoy's table takes to follow it, and what it costs in
// memory. Each run begins with an Envoy of its own: only the first push of an Envoy fills an empty
// table.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ClusterState } from "../../../controller/model/cluster-state.ts";
import { makeNode } from "../../namespaces/cluster.ts";
import { PorticoNode, type SyncTimes } from "../portico-node.ts";
import { residentBytes, settledCpuMicroseconds } from "../process-cost.ts";
import {
  type ClusterSize,
  endpointSliceOf,
  syntheticService,
  syntheticState,
} from "../synthetic-cluster.ts";

interface PushOptions {
  size: ClusterSize;
  envoy: string;
  workers: number;
  /** Single endpoints that change, one after the other. */
  changes: number;
}

export interface PushRun {
  full: SyncTimes;
  /** One for each change. */
  changes: SyncTimes[];
  envoyBytes: { before: number; afterFull: number; afterChanges: number };
  frontends: number;
}

export async function runPushes(options: PushOptions): Promise<PushRun> {
  const runDirectory = await mkdtemp(join(tmpdir(), "portico-bench-"));
  const { cluster, node } = await makeNode({ name: "node" });
  const state = syntheticState(options.size);
  const portico = await PorticoNode.start({ ...options, node, state, runDirectory });
  try {
    return await measure(portico, state, options);
  } finally {
    await portico.stop();
    await cluster.close();
    await rm(runDirectory, { recursive: true, force: true });
  }
}

async function measure(
  portico: PorticoNode,
  state: ClusterState,
  { size, changes }: PushOptions,
): Promise<PushRun> {
  const before = await settledBytes(portico.pid);
  const full = await portico.sync();
  const afterFull = await settledBytes(portico.pid);
  const { frontends } = await portico.table.version();
  const times: SyncTimes[] = [];
  for (let change = 1; change <= changes; change++) {
    const index = (change * 7919) % size.services;
    const changed = syntheticService(index, size.endpointsEach, change);
    state.upsert("EndpointSlice", endpointSliceOf(changed));
    times.push(await portico.sync());
  }
  const afterChanges = await settledBytes(portico.pid);
  return { full, changes: times, envoyBytes: { before, afterFull, afterChanges }, frontends };
}

async function settledBytes(pid: number): Promise<number> {
  await settledCpuMicroseconds(pid);
  return residentBytes(pid);
}
