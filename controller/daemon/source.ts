// Where the objects come from: the Kubernetes API or a folder of manifests, behind one interface.

import type { Clock } from "../clock.ts";
import type { RunOptions } from "../config.ts";
import type { ApiAccess } from "../kubeconfig/access.ts";
import { accessFromFile, accessInCluster } from "../kubeconfig/load.ts";
import type { ClusterState } from "../model/cluster-state.ts";
import type { KindTypes, Problem } from "../model/types.ts";
import type { Log } from "../observe/log.ts";
import type { Problems } from "../observe/problems.ts";
import { KubernetesSource } from "../watch/kubernetes.ts";
import { KubernetesApi } from "../watch/kubernetes-api.ts";
import type { WatchStatus } from "../watch/list-watch.ts";
import type { WatchSink } from "../watch/list-watch-intake.ts";
import { ManifestsSource } from "../watch/manifests.ts";
import { serviceAddressProblem } from "../watch/service-address.ts";
import type { SourceStatus } from "./control-api.ts";
import { PORTICO_VERSION } from "./version.ts";

export interface Source {
  start(): Promise<void> | void;
  stop(): Promise<void>;
  status(): SourceStatus[];
  /** Of a Pod by "namespace/name"; none when the source knows no Pods, or not this one. */
  podAddresses(pod: string): readonly string[];
}

interface Surroundings {
  state: ClusterState;
  problems: Problems;
  log: Log;
  clock: Clock;
  /** Something changed in the state. */
  onChange: () => void;
}

export function createSource(options: RunOptions, surroundings: Surroundings): Source {
  const sink = notifyingSink(surroundings.state, surroundings.onChange);
  const { source } = options;
  if (source.kind === "manifests") return manifests(source.directory, sink, surroundings);
  return kubernetes(options, sink, surroundings);
}

/** For people: where the objects come from. */
export function describeSource({ source }: RunOptions): string {
  if (source.kind === "manifests") return `manifests in ${source.directory}`;
  return source.kind === "kubeconfig" ? `kubeconfig ${source.file}` : "the cluster it runs in";
}

/** Reads where the API server is, and who asks it; undefined where there is none. */
export function accessLoader({ source }: RunOptions): (() => ApiAccess) | undefined {
  if (source.kind === "manifests") return undefined;
  return source.kind === "kubeconfig" ? () => accessFromFile(source.file) : accessInCluster;
}

function notifyingSink(state: ClusterState, onChange: () => void): WatchSink {
  return {
    replaceAll: (kind, objects) => {
      state.replaceAll(kind, objects);
      onChange();
    },
    upsert: <K extends keyof KindTypes>(kind: K, object: KindTypes[K]) => {
      state.upsert(kind, object);
      onChange();
    },
    remove: (kind, key) => {
      state.remove(kind, key);
      onChange();
    },
  };
}

function kubernetes(options: RunOptions, sink: WatchSink, surroundings: Surroundings): Source {
  const { serviceProxyName, nodeName, source } = options;
  const { problems, log, clock } = surroundings;
  const message = source.kind === "in-cluster" && serviceAddressProblem(process.env);
  if (message) problems.report("api-server", [{ object: "This node", message }]);
  const load = accessLoader(options) ?? accessInCluster;
  const watches = new KubernetesSource({
    api: new KubernetesApi(load, `portico/${PORTICO_VERSION}`),
    sink,
    reportProblems: (object, found) => problems.report(`watch ${object}`, found),
    onStatus: (status) => logStatus(log, status),
    clock,
    random: Math.random,
    serviceProxyName,
    nodeName,
  });
  return {
    start: () => watches.start(),
    stop: () => watches.stop(),
    status: () => watches.status().map(sourceStatusFromWatch),
    podAddresses: () => [],
  };
}

function logStatus(log: Log, status: WatchStatus): void {
  const { kind, state, failure, note } = status;
  if (failure) log.warn({ kind, hint: failure.hint }, failure.message);
  else log.info({ kind, state, note }, "watch");
}

function sourceStatusFromWatch(status: WatchStatus): SourceStatus {
  const { kind, synced, restarts, failure } = status;
  return { kind, synced, restarts, error: failure ? `${failure.message} ${failure.hint}` : "" };
}

/** An editor writes a file in several steps; a step takes less than this. */
const MANIFEST_DEBOUNCE_MS = 20;
const MANIFEST_RESCAN_MS = 10_000;

function manifests(directory: string, sink: WatchSink, surroundings: Surroundings): Source {
  const { problems, log, clock, state } = surroundings;
  let present: readonly Problem[] = [];
  const source = new ManifestsSource({
    directory,
    sink,
    reportProblems: (found) => {
      present = found;
      problems.report("manifests", found);
    },
    note: (text) => log.info(text),
    clock,
    debounceMs: MANIFEST_DEBOUNCE_MS,
    rescanMs: MANIFEST_RESCAN_MS,
  });
  return {
    start: () => source.start(),
    stop: () => source.stop(),
    podAddresses: (pod) => source.podAddresses(pod),
    status: () => [
      {
        kind: "manifests",
        synced: state.isSynced(),
        restarts: 0,
        error: present
          .filter(({ isHarmless }) => !isHarmless)
          .map(({ object, message }) => `${object}: ${message}`)
          .join("; "),
      },
    ],
  };
}
