// The parts of a controller, made and connected in the order of ARCHITECTURE's drawing; none has
// started. A part gets those before it. One that calls a part made after it finds it by `later`:
// such as the cluster's state, whose changes request a sync.

import { join } from "node:path";
import { ADMIN_SOCKET } from "../../envoy/bootstrap.ts";
import { kubeProxyConfiguration } from "../config/config-file-write.ts";
import {
  pluginWithFunctions,
  proxyConfigurationOf,
  type RunOptions,
  runPaths,
} from "../config/run-options.ts";
import type { ControlHandlers } from "../control/control-server.ts";
import { explainerOf } from "../control/explainer.ts";
import { Envoys } from "../envoys/envoys.ts";
import { type KernelGuard, kernelGuard, observedByAll } from "../guard/kernel-guard.ts";
import { ClusterState } from "../model/cluster-state.ts";
import { EjectionWatch } from "../observe/ejection-watch.ts";
import { EnvoyRoomWatch } from "../observe/envoy-room.ts";
import { LimitWatch } from "../observe/limit-watch.ts";
import type { Log } from "../observe/log.ts";
import { type ProblemListener, Problems } from "../observe/problems.ts";
import type { ServiceStatsReader } from "../observe/service-stats.ts";
import { statsOfNode } from "../observe/stats-of-node.ts";
import { type EnvoyPlace, EnvoyPlane } from "../plane/envoy-plane.ts";
import { NodeSync, type SyncObserver } from "../plane/node-sync.ts";
import { ActivePlugin } from "../rollout/active-plugin.ts";
import { FunctionFailureWatch } from "../rollout/function-failure-watch.ts";
import { FunctionFolderWatch } from "../rollout/function-folder-watch.ts";
import { Functions } from "../rollout/functions.ts";
import { PluginFile } from "../rollout/plugin-file.ts";
import { PluginStore } from "../rollout/plugin-store.ts";
import { systemClock } from "../system/clock.ts";
import { saveMemory } from "../system/memory.ts";
import { PORTICO_VERSION } from "../system/version.ts";
import { type NodePage, nodePage } from "./node-page.ts";
import { Operations } from "./operations.ts";
import { problemOfThisNode } from "./problem-of-this-node.ts";
import { accessLoader, createSource, describeSource, type Source } from "./source.ts";

/** What every part may need. */
interface Base {
  options: RunOptions;
  log: Log;
  /** All parts. Throws until assemble has returned: no part may call another while it is made. */
  later: () => Parts;
}

/** The cluster as it arrives, and its problems. */
interface ClusterParts {
  state: ClusterState;
  problems: Problems;
  source: Source;
}

/** The parts that operators see. */
interface OperatorParts {
  operations: Operations;
  stats: ServiceStatsReader;
  envoyRoom: EnvoyRoomWatch;
  ejections: EjectionWatch;
  limits: LimitWatch;
}

/** This node's kernel, and its sync with the active Envoy. */
interface PlaneParts {
  makePlane: (place: EnvoyPlace, isSecond: boolean) => EnvoyPlane;
  guard: KernelGuard;
  sync: NodeSync;
}

/** The plugin in service, and the Envoys that run it. */
interface ServiceParts {
  plugin: ActivePlugin;
  /** Undefined: there is no file to follow. */
  pluginFile: PluginFile | undefined;
  functions: Functions;
  /** What keeps functions up to date; empty where the node takes none. */
  followsFunctions: readonly (FunctionFolderWatch | FunctionFailureWatch)[];
  envoys: Envoys;
}

/** The parts that answer questions. */
interface AnswerParts {
  handlers: ControlHandlers;
  /** Undefined: no live page. */
  page: NodePage | undefined;
}

export type Parts = ClusterParts & OperatorParts & PlaneParts & ServiceParts & AnswerParts;

/** Makes all parts. `place`: where the Envoy that serves or will serve is. */
export function assemble(options: RunOptions, log: Log, place: EnvoyPlace): Parts {
  const base: Base = { options, log, later: () => parts };
  const cluster = clusterParts(base);
  const operators = operatorParts(base, cluster);
  const plane = planeParts(base, { ...cluster, ...operators }, place);
  const service = serviceParts(base, { ...cluster, ...operators, ...plane });
  const answers = answerParts(base, { ...cluster, ...operators, ...plane, ...service });
  const parts: Parts = { ...cluster, ...operators, ...plane, ...service, ...answers };
  return parts;
}

function clusterParts({ options, log, later }: Base): ClusterParts {
  const state = new ClusterState((...change) => later().operations.objectChanged(...change));
  const problems = new Problems(problemListener({ log, later }));
  const onChange = () => later().sync.request();
  const source = createSource(options, { state, problems, log, clock: systemClock, onChange });
  return { state, problems, source };
}

function problemListener({ log, later }: Pick<Base, "log" | "later">): ProblemListener {
  return {
    appeared: (problem) => {
      later().operations.problemAppeared(problem);
      later().page?.happened("warn", `${problem.object}: ${problem.message}`);
    },
    solved: ({ object, message }) => {
      log.info({ object, solved: message }, "problem resolved");
      later().page?.happened("good", `resolved: ${object}: ${message}`);
    },
  };
}

function operatorParts(base: Base, { state, problems, source }: ClusterParts): OperatorParts {
  const { options, log, later } = base;
  const adminSocket = () => join(later().sync.plane.place.directory, ADMIN_SOCKET);
  const stats = statsOfNode(
    () => {
      const { sync, envoys } = later();
      const { table } = sync.plane;
      return { table, adminSocket: adminSocket(), drainingTable: envoys.drainingTable };
    },
    () => later().sync.frontends,
  );
  const envoyRoom = new EnvoyRoomWatch({
    clock: systemClock,
    nodeName: options.nodeName,
    adminSocket,
    report: (found) => problems.report("Envoy room", found),
  });
  const ejections = new EjectionWatch({
    clock: systemClock,
    ejected: () => later().sync.plane.table.ejected(),
    frontends: () => later().sync.frontends,
    report: (found) => problems.report("ejections", found),
  });
  const limits = new LimitWatch({
    clock: systemClock,
    read: () => stats.read(),
    frontends: () => later().sync.frontends,
    report: (found) => problems.report("limits", found),
  });
  const operations = new Operations({
    options,
    state,
    log,
    adminSocket: runPaths(options.runDir).adminSocket,
    configz: () => ({
      "kubeproxy.config.k8s.io": kubeProxyConfiguration(proxyConfigurationOf(options)),
      portico: options,
    }),
    settings: { ...options, configFile: options.configFile?.path },
    loadAccess: accessLoader(options),
    nodePortAddresses: () => later().sync.nodePortAddresses,
    serviceStats: () => stats.readAndForgetGone(),
    toRepair: () => later().guard.repairs.waiting(),
    figures: () => ({
      ...later().sync.figures(),
      envoysConnected: later().sync.plane.xds.connections().length,
      pluginBuild: later().plugin.status().build,
      problems: problems.counts(),
      watches: source.status(),
      envoyRoom: envoyRoom.last,
      ejected: ejections.now,
    }),
  });
  return { operations, stats, envoyRoom, ejections, limits };
}

function planeParts(
  { options, log, later }: Base,
  { state, problems, operations }: ClusterParts & OperatorParts,
  place: EnvoyPlace,
): PlaneParts {
  const guard = kernelGuard(options, {
    log,
    sync: () => later().sync,
    earlyDemuxRecord: runPaths(options.runDir).earlyDemux,
    metrics: operations.counted,
    report: (part, messages) => problems.report(part, messages.map(problemOfThisNode)),
  });
  const makePlane = (where: EnvoyPlace, isSecond: boolean) => {
    const plane: EnvoyPlane = new EnvoyPlane({
      options,
      place: where,
      log,
      isSecond,
      metrics: operations.counted,
      connected: () => {
        const { sync, envoys, envoyRoom, page } = later();
        envoyRoom.envoyConnected();
        page?.happened("good", "Envoy connected");
        sync.envoyConnected(plane);
        void envoys.connected(plane);
      },
      replied: (type, refusal) => operations.xdsReplied(type, refusal),
      records: () => later().sync.records(),
      kernelChanged: (look) => guard.repairs.found(look),
    });
    return plane;
  };
  const sync = new NodeSync({
    options,
    state,
    problems,
    log,
    observer: withEachSuccess(withFirstSuccess(observedByAll(operations, guard), saveMemory), () =>
      later().functions.synced(),
    ),
    plane: makePlane(place, false),
    viewChanged: (change) => {
      later().functions.viewChanged(change);
      later().page?.viewChanged(change);
    },
    slotOf: (choice) => later().functions.slotOf(choice),
  });
  return { makePlane, guard, sync };
}

function serviceParts(
  { options, log, later }: Base,
  { problems, operations, stats, sync, makePlane }: ClusterParts & OperatorParts & PlaneParts,
): ServiceParts {
  const store = new PluginStore(options.pluginFile, runPaths(options.runDir).loadedPlugin);
  const plugin = new ActivePlugin(sync.plane.delivery, store, log);
  const { followedPlugin: path, nodeName } = options;
  const pluginFile =
    path === undefined
      ? undefined
      : new PluginFile({
          path,
          plugin,
          isEnvoyConnected: () => sync.plane.isConnected,
          clock: systemClock,
          loaded: (note) => operations.pluginLoaded(note),
          refused: (message) => {
            const found = message === undefined ? [] : [{ object: `Node ${nodeName}`, message }];
            problems.report("plugin", found);
          },
        });
  const { functionsFolder: folder } = options;
  const functions = new Functions({
    folder,
    pluginFile: pluginWithFunctions(),
    slotsFile: runPaths(options.runDir).functionSlots,
    log,
    plugin,
    changed: () => sync.functionsChanged(),
    report: (found) => problems.report("functions", found),
  });
  const functionFailures = new FunctionFailureWatch({
    clock: systemClock,
    read: () => sync.plane.table.functionFailures(),
    failing: (failures) => problems.report("functions failing", functions.problemsOf(failures)),
  });
  const look = () => functions.look();
  const followsFunctions =
    folder === undefined
      ? []
      : [new FunctionFolderWatch({ folder, clock: systemClock, look }), functionFailures];
  const envoys = new Envoys({
    options,
    log,
    sync,
    plugin,
    makePlane: (where) => makePlane(where, true),
    report: (found) => problems.report("Envoy", found),
    died: () => {
      operations.envoyDied();
      later().page?.happened("bad", "Envoy exited; restarting it");
    },
    hung: () => operations.envoyHung(),
    // While the draining Envoy still has what it counted.
    drainingChanged: () => void stats.read().catch(() => {}),
  });
  return { plugin, pluginFile, functions, followsFunctions, envoys };
}

function answerParts(
  { options, log }: Base,
  made: ClusterParts & OperatorParts & PlaneParts & ServiceParts,
): AnswerParts {
  const { state, problems, source, stats, ejections, sync, plugin, envoys } = made;
  const explainer = explainerOf({
    state,
    problems,
    sync,
    serviceProxyName: options.serviceProxyName,
    connecting: options.tcp,
    podAddresses: (pod) => source.podAddresses(pod),
    functionVersion: (choice) => made.functions.versionOf(choice),
  });
  const handlers: ControlHandlers = {
    status: () => ({
      ...statusOf(options),
      watches: source.status(),
      envoyConnected: sync.plane.isConnected,
      ...sync.status(),
      plugin: plugin.status(),
      problems: problems.list(),
    }),
    loadPlugin: (wasm, from) => plugin.load(wasm, from),
    resetPlugin: () => plugin.reset(),
    envoyStatus: () => envoys.status(),
    replaceEnvoy: (how) => envoys.replace(how),
    drain: () => sync.drain(),
    explain: (texts) => explainer.explain(texts),
  };
  const page = nodePage(options, {
    state,
    log,
    sync,
    stats,
    ejections,
    status: handlers.status,
  });
  return { handlers, page };
}

/** Calls `act` too, after the first sync that succeeds. */
function withFirstSuccess(observer: SyncObserver, act: () => void): SyncObserver {
  let isFirst = true;
  return withEachSuccess(observer, () => {
    if (isFirst) act();
    isFirst = false;
  });
}

/** Calls `act` too, after each sync that succeeds. */
function withEachSuccess(observer: SyncObserver, act: () => void): SyncObserver {
  return {
    ...observer,
    succeeded: (durationSeconds, full) => {
      observer.succeeded(durationSeconds, full);
      act();
    },
  };
}

/** Returns the constant part of the status. */
function statusOf(options: RunOptions) {
  const { nodeName } = options;
  const source = describeSource(options);
  const fedBy = options.source;
  return { version: PORTICO_VERSION, pid: process.pid, nodeName, source, fedBy };
}
