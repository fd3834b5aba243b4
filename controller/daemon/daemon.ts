// `portico run`: makes the parts, connects them, and ends in order. What each part does is its own
// business; what is synced when and in which order is sync's.

import { mkdir } from "node:fs/promises";
import { cpus } from "node:os";
import { KernelCapture } from "../capture/apply.ts";
import { setConntrack } from "../capture/conntrack-settings.ts";
import { kernelSettingProblems, SOURCE_MARK_SETTING } from "../capture/kernel-settings.ts";
import { DEFAULT_CAPTURE_OPTIONS } from "../capture/options.ts";
import { systemClock } from "../clock.ts";
import { type RunOptions, runPaths } from "../config.ts";
import { watchConfigFile } from "../config-file-watch.ts";
import { ClusterState } from "../model/cluster-state.ts";
import { type Problem, ROUTING_RULE_FIRST } from "../model/types.ts";
import type { NodeViewChange } from "../node/node-view.ts";
import { watchDescriptors } from "../observe/descriptors.ts";
import { createLog, type Log } from "../observe/log.ts";
import { type ProblemListener, Problems } from "../observe/problems.ts";
import { ActivePlugin } from "./active-plugin.ts";
import { type ControlHandlers, startControlServer } from "./control-server.ts";
import { type EnvoyPlace, EnvoyPlane } from "./envoy-plane.ts";
import { Envoys, presentPlace } from "./envoys.ts";
import { type Explainer, explainerOf } from "./explainer.ts";
import { type KernelGuard, kernelGuard, observedByBoth } from "./kernel-guard.ts";
import { lockNode } from "./node-lock.ts";
import { type NodePage, nodePage } from "./node-page.ts";
import { NodeSync } from "./node-sync.ts";
import { Operations } from "./operations.ts";
import { PluginFile, type PluginFileOptions } from "./plugin-file.ts";
import { PluginSources } from "./plugin-sources.ts";
import { PluginStore } from "./plugin-store.ts";
import { RoutingRuleWatch } from "./routing-rules.ts";
import { accessLoader, createSource, describeSource, type Source } from "./source.ts";
import { PORTICO_VERSION } from "./version.ts";

/** As kube-proxy's; whoever started the process is to start it again. */
const CONFIG_CHANGED = "content of the configuration file was updated";

/** Runs until SIGTERM or SIGINT. Rejects when it cannot start, or its configuration changes. */
export async function runDaemon(options: RunOptions): Promise<void> {
  const log = createLog(options.logLevel);
  const unlock = await lockNode(`pid ${process.pid}, run directory ${options.runDir}`);
  try {
    await mkdir(options.runDir, { recursive: true, mode: 0o700 });
    const stop = await start(options, log);
    log.info({ version: PORTICO_VERSION, node: options.nodeName }, "portico runs");
    const reason = await firstReasonToStop(options);
    log.info({ reason }, "stopping; Envoy and the kernel rules go on serving");
    await stop();
    if (reason === CONFIG_CHANGED) throw new Error(reason);
  } finally {
    unlock();
  }
}

/** The parts, connected; none has begun. */
function assemble(options: RunOptions, log: Log, place: EnvoyPlace) {
  const state = new ClusterState((...change) => operations.objectChanged(...change));
  const happened: NodePage["happened"] = (level, text) => page?.happened(level, text);
  const appeared = (problem: Problem) => operations.problemAppeared(problem);
  const problems = new Problems(problemListener(log, appeared, happened));
  const isConnected = () => sync.plane.isConnected;
  const operations = new Operations({
    ...{ options, state, log },
    loadAccess: accessLoader(options),
    nodePortAddresses: () => sync.nodePortAddresses,
    serviceCounters: () => sync.serviceCounters.read(),
    toRepair: () => guard.repairs.waiting(),
    figures: () => ({
      ...sync.figures(),
      envoysConnected: sync.plane.xds.connections().length,
      pluginBuild: plugin.status().build,
      problems: problems.counts(),
      watches: source.status(),
    }),
  });
  const planeAt = (where: EnvoyPlace, isSecond: boolean) => {
    const plane: EnvoyPlane = new EnvoyPlane({
      ...{ options, place: where, log, isSecond },
      metrics: operations.counted,
      connected: () => {
        happened("good", "Envoy connected");
        sync.envoyConnected(plane);
        void envoys.connected(plane);
      },
      replied: (type, refusal) => operations.xdsReplied(type, refusal),
      records: () => sync.records(),
      kernelChanged: (look) => guard.repairs.found(look),
    });
    return plane;
  };
  const plane = planeAt(place, false);
  const viewChanged = (change: NodeViewChange) => page?.viewChanged(change);
  const guard: KernelGuard = kernelGuard(options, {
    ...{ log, sync: () => sync, metrics: operations.counted },
    report: (part, messages) => problems.report(part, messages.map(problemOfThisNode)),
  });
  const observer = observedByBoth(operations, () => guard.repairs);
  const sync = new NodeSync({ options, state, problems, log, observer, plane, viewChanged });
  const store = new PluginStore(options.pluginFile, runPaths(options.runDir).loadedPlugin);
  const plugin = new ActivePlugin(plane.rollout, store, log);
  const envoys = new Envoys({
    ...{ options, log, sync, plugin },
    makePlane: (where) => planeAt(where, true),
    report: (found) => problems.report("Envoy", found),
    died: () => {
      operations.envoyDied();
      happened("bad", "Envoy died; it is started anew");
    },
    hung: () => operations.envoyHung(),
  });
  const pluginFile = followedPlugin(options, {
    plugin,
    isEnvoyConnected: isConnected,
    loaded: (note) => operations.pluginLoaded(note),
    report: (found) => problems.report("plugin", found),
  });
  const source = createSource(options, {
    state,
    problems,
    log,
    clock: systemClock,
    onChange: () => sync.request(),
  });
  const podAddresses = (pod: string) => source.podAddresses(pod);
  const explainer = explainerOf(options, { state, problems, sync, podAddresses });
  const asked = { problems, sync, plugin, envoys, source, explainer };
  const handlers = controlHandlers(options, asked);
  const page = nodePage(options, { state, log, sync, status: handlers.status });
  return { problems, operations, sync, guard, plugin, pluginFile, envoys, source, handlers, page };
}

interface AskedParts {
  problems: Problems;
  sync: NodeSync;
  plugin: ActivePlugin;
  envoys: Envoys;
  source: Source;
  explainer: Explainer;
}

/** Who answers what the commands ask. */
function controlHandlers(options: RunOptions, parts: AskedParts): ControlHandlers {
  const { problems, sync, plugin, envoys, source, explainer } = parts;
  return {
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
}

function problemListener(
  log: Log,
  appeared: ProblemListener["appeared"],
  happened: NodePage["happened"],
): ProblemListener {
  return {
    appeared: (problem) => {
      appeared(problem);
      happened("warn", `${problem.object}: ${problem.message}`);
    },
    solved: ({ object, message }) => {
      log.info({ object, solved: message }, "problem solved");
      happened("good", `solved: ${object}: ${message}`);
    },
  };
}

/** What of it never changes. */
function statusOf(options: RunOptions) {
  const { nodeName } = options;
  const source = describeSource(options);
  const fedBy = options.source;
  return { version: PORTICO_VERSION, pid: process.pid, nodeName, source, fedBy };
}

function followedPlugin(
  { followedPlugin: path, nodeName }: RunOptions,
  parts: Pick<PluginFileOptions, "plugin" | "isEnvoyConnected" | "loaded"> & {
    report: (found: Problem[]) => void;
  },
): PluginFile | undefined {
  if (path === undefined) return undefined;
  const refused = (message: string | undefined) => {
    parts.report(message === undefined ? [] : [{ object: `Node ${nodeName}`, message }]);
  };
  return new PluginFile({ ...parts, path, clock: systemClock, refused });
}

type Ending = () => unknown;

/** Returns what ends it all again. A start that fails ends what had begun, or it would linger. */
async function start(options: RunOptions, log: Log): Promise<() => Promise<void>> {
  const endings: Ending[] = [];
  const end = async () => {
    for (const ending of endings.toReversed()) await ending();
  };
  try {
    await begin(options, log, (...more) => endings.push(...more));
  } catch (error) {
    await end();
    throw error;
  }
  return end;
}

/** `atEnd` is told what ends the parts that began; the last is to end first. */
async function begin(options: RunOptions, log: Log, atEnd: (...endings: Ending[]) => void) {
  const parts = assemble(options, log, await presentPlace(options));
  const { problems, operations, sync, guard, plugin, pluginFile, envoys, source } = parts;
  const { page, handlers } = parts;
  await removeLeftovers(log);
  atEnd(() => operations.stop());
  await operations.start();
  const reportDescriptors = (found: string[]) => {
    problems.report("descriptors", found.map(problemOfThisNode));
  };
  atEnd(watchDescriptors({ clock: systemClock, report: reportDescriptors }));
  const reportSettings = async () => {
    problems.report("kernel", (await kernelSettingProblems()).map(problemOfThisNode));
  };
  await reportSettings();
  await trackAsConfigured(options, log);
  const rules = new RoutingRuleWatch({
    ...{ watch: guard.watch, clock: systemClock },
    own: { markBit: 2 ** options.markBit, rulePriority: options.rulePriority },
    report: (found) => problems.report("kernel rules", found.map(ruleProblem)),
  });
  atEnd(
    () => guard.stop(),
    () => rules.stop(),
  );
  await rules.look();
  guard.watch.watchSetting(SOURCE_MARK_SETTING);
  guard.watch.listen("setting", () => void reportSettings().catch(() => {}));
  await guard.start();
  await plugin.begin(await pluginFile?.first());
  await mkdir(sync.plane.place.directory, { recursive: true });
  await sync.plane.xds.start();
  atEnd(
    () => sync.plane.stop(),
    () => sync.stop(),
  );
  const control = await startControlServer(runPaths(options.runDir).controlSocket, handlers);
  await page?.start();
  atEnd(
    () => control.close(),
    () => page?.stop(),
  );
  atEnd(() => envoys.release());
  await envoys.start();
  const sources = options.watchPlugin ? new PluginSources(plugin, log) : undefined;
  sources?.start();
  pluginFile?.start();
  atEnd(
    () => source.stop(),
    () => sources?.stop(),
    () => pluginFile?.stop(),
  );
  await source.start();
}

/** Of a controller that was killed. What keeps this from it also fails the first sync. */
async function removeLeftovers(log: Log): Promise<void> {
  const removed = new KernelCapture(DEFAULT_CAPTURE_OPTIONS).removeLeftovers();
  for (const each of await removed.catch(() => [])) {
    log.info({ removed: each }, "removed what an earlier controller had left");
  }
}

/** Services work without it, so what cannot be set is logged, and is no problem of the node's. */
async function trackAsConfigured({ conntrack }: RunOptions, log: Log): Promise<void> {
  const { set, problems } = await setConntrack(conntrack, cpus().length);
  if (set.length > 0) log.info({ sysctls: set }, "set connection tracking");
  for (const problem of problems) log.warn({ problem }, "cannot set connection tracking");
}

function problemOfThisNode(message: string): Problem {
  return { object: "This node", message };
}

function ruleProblem(message: string): Problem {
  return { ...problemOfThisNode(message), reason: ROUTING_RULE_FIRST };
}

/** A signal, or CONFIG_CHANGED. */
async function firstReasonToStop({ configFile }: RunOptions): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  process.once("SIGTERM", resolve);
  process.once("SIGINT", resolve);
  const changed = () => resolve(CONFIG_CHANGED);
  const unwatch = configFile && watchConfigFile({ ...configFile, clock: systemClock, changed });
  const reason = await promise;
  unwatch?.();
  return reason;
}
