// Where the objects come from: the Kubernetes API or a folder of manifests, behind one interface.

import type { RunOptions } from "../config/run-options.ts";
import type { SourceStatus } from "../control/control-api.ts";
import type { ApiAccess } from "../kubeconfig/access.ts";
import { accessFromFile, accessInCluster } from "../kubeconfig/load.ts";
import type { ClusterState } from "../model/cluster-state.ts";
import type { KindTypes, Problem } from "../model/types.ts";
import type { Log } from "../observe/log.ts";
import type { Problems } from "../observe/problems.ts";
import type { Clock } from "../system/clock.ts";
import { PORTICO_VERSION } from "../system/version.ts";
import { HeldSink } from "../watch/held-sink.ts";
import { KubernetesSource } from "../watch/kubernetes.ts";
import { KubernetesApi } from "../watch/kubernetes-api.ts";
import type { WatchStatus } from "../watch/list-watch.ts";
import type { WatchSink } from "../watch/list-watch-intake.ts";
import { ManifestsSource } from "../watch/manifests.ts";
import { serviceAddressProblem } from "../watch/service-address.ts";

export interface Source {
  /** Starts to read. Nothing reaches the state before `deliver`. */
  start(): Promise<void> | void;
  /** From now on the state follows what is read. */
  deliver(): void;
  stop(): Promise<void>;
  status(): SourceStatus[];
  /** Addresses of a Pod by "namespace/name"; none if the source knows no Pods, or not this one. */
  podAddresses(pod: string): readonly string[];
}

type Reader = Omit<Source, "deliver">;

interface Surroundings {
  state: ClusterState;
  problems: Problems;
  log: Log;
  clock: Clock;
  /** Called when the state changed. */
  onChange: () => void;
}

/**
 * Returns the source that the options name, not started yet. It writes into `surroundings.state`
 * and calls `onChange` after each write.
 */
export function createSource(options: RunOptions, surroundings: Surroundings): Source {
  const sink = new HeldSink(notifyingSink(surroundings.state, surroundings.onChange));
  const { source } = options;
  const made =
    source.kind === "manifests"
      ? manifests(source.directory, sink, surroundings)
      : kubernetes(options, sink, surroundings);
  return { ...made, deliver: () => sink.open() };
}

/** Returns where the objects come from, for operators. */
export function describeSource({ source }: RunOptions): string {
  if (source.kind === "manifests") return `manifests in ${source.directory}`;
  return source.kind === "kubeconfig" ? `kubeconfig ${source.file}` : "the cluster that it runs in";
}

/** Returns a loader of the API server's address and credentials; undefined where there is none. */
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

function kubernetes(options: RunOptions, sink: WatchSink, surroundings: Surroundings): Reader {
  const { serviceProxyName, nodeName, source } = options;
  const { problems, log, clock } = surroundings;
  const message = source.kind === "in-cluster" && serviceAddressProblem(process.env);
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
    start: () => {
      if (message) problems.report("api-server", [{ object: "This node", message }]);
      return watches.start();
    },
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

function manifests(directory: string, sink: WatchSink, surroundings: Surroundings): Reader {
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
