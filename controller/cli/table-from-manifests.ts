// A folder of manifests, read once → the service table for an Envoy without kernel rules.

import { ClusterState } from "../model/cluster-state.ts";
import type { Problem } from "../model/types.ts";
import { NodeFollower } from "../node/follow-cluster.ts";
import type { Frontend } from "../node/types.ts";
import type { Table } from "../sync/plan.ts";
import { TargetTable } from "../sync/target-table.ts";
import { systemClock } from "../system/clock.ts";
import { ManifestsSource, manifestNames } from "../watch/manifests.ts";

/**
 * Without `nodeName`: from no node's point of view. Throws when the folder has no manifests, or one
 * of them is wrong: what is missing then must not be removed from a table that serves.
 */
export async function tableFromManifests(
  directory: string,
  nodeName: string | undefined,
): Promise<{ entries: Table; warnings: Problem[] }> {
  const { state, leftOut } = await stateFromManifests(directory);
  if (nodeName !== undefined && !state.nodes.has(nodeName)) {
    throw new Error(`${directory} has no Node ${nodeName}; nothing was pushed`);
  }
  const options = { nodeName: nodeName ?? "", serviceProxyName: undefined, serviceCIDRs: [] };
  const { upserted, problems } = new NodeFollower(state, options).update();
  const table = new TargetTable();
  table.apply(upserted, []);
  const warnings = [
    ...leftOut,
    ...[...problems.values()].flat(),
    ...table.problems(),
    ...upserted.flatMap(whatOnlyAKernelDoes),
  ];
  return { entries: table.entries, warnings };
}

async function stateFromManifests(
  directory: string,
): Promise<{ state: ClusterState; leftOut: readonly Problem[] }> {
  if ((await namesIn(directory)).length === 0) {
    throw new Error(`${directory} has no file *.yaml, *.yml or *.json; nothing was pushed`);
  }
  const state = new ClusterState();
  let problems: readonly Problem[] = [];
  const source = new ManifestsSource({
    directory,
    sink: state,
    reportProblems: (found) => {
      problems = found;
    },
    note: (text) => void process.stderr.write(`note: ${text}\n`),
    clock: systemClock,
    debounceMs: 0,
    rescanMs: Number.MAX_SAFE_INTEGER,
  });
  await source.start();
  await source.stop();
  const faults = problems.filter(({ isHarmless }) => !isHarmless);
  if (faults.length === 0) return { state, leftOut: problems };
  const lines = faults.map(({ object, message }) => `${object}: ${message}`);
  throw new Error([...lines, "nothing was pushed"].join("\n"));
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await manifestNames(directory);
  } catch (error) {
    const reason = (error as Error).message;
    throw new Error(`cannot read directory ${directory}: ${reason}; check its path`);
  }
}

/** Reports what `portico run` leaves to the kernel or to other listeners: they are missing here. */
function whatOnlyAKernelDoes(frontend: Frontend): Problem[] {
  const { key, namespace, service, protocol, allowedSources, verdict } = frontend;
  const object = `Service ${namespace}/${service}`;
  const messages: string[] = [];
  if (protocol !== "TCP") messages.push(`${key}: the plugin serves only TCP`);
  if (allowedSources.length > 0) {
    messages.push(
      `${key}: the plugin does not enforce loadBalancerSourceRanges; restrict the listener in ` +
        "Envoy, with filter_chain_match.source_prefix_ranges or an RBAC filter",
    );
  }
  if (verdict === "local" || verdict === "short-circuit") {
    messages.push(
      `${key}: externalTrafficPolicy Local applies on a listener whose plugin has the root_id ` +
        '"connection-local"; other listeners use all backends',
    );
  }
  return messages.map((message) => ({ object, message }));
}
