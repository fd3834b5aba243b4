// `portico run`: makes the parts, connects them, and ends in order. What each part does is its own
// business; what is synced when and in which order is sync's.

import { mkdir } from "node:fs/promises";
import { findEnvoy } from "../../envoy/find.ts";
import { EnvoySupervisor } from "../../envoy/supervise.ts";
import { disableEarlyDemux } from "../capture/early-demux.ts";
import { kernelSettingProblems } from "../capture/kernel-settings.ts";
import { systemClock } from "../clock.ts";
import { type RunOptions, runPaths } from "../config.ts";
import { watchConfigFile } from "../config-file-watch.ts";
import { ClusterState } from "../model/cluster-state.ts";
import type { Problem } from "../model/types.ts";
import { createLog, type Log } from "../observe/log.ts";
import { Problems } from "../observe/problems.ts";
import { TableClient } from "../table/client.ts";
import { PluginRollout } from "../xds/plugin-rollout.ts";
import { XdsServer } from "../xds/server.ts";
import { ActivePlugin } from "./active-plugin.ts";
import { type ControlHandlers, startControlServer } from "./control-server.ts";
import { lockNode } from "./node-lock.ts";
import { NodeSync } from "./node-sync.ts";
import { Operations } from "./operations.ts";
import { PluginFile, type PluginFileOptions } from "./plugin-file.ts";
import { PluginSources } from "./plugin-sources.ts";
import { PluginStore } from "./plugin-store.ts";
import { createSource, describeSource, kubeConfigLoader } from "./source.ts";
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
function assemble(options: RunOptions, log: Log) {
  const paths = runPaths(options.runDir);
  const state = new ClusterState((...change) => operations.objectChanged(...change));
  const problems = new Problems({
    appeared: (problem) => operations.problemAppeared(problem),
    solved: ({ object, message }) => log.info({ object, solved: message }, "problem solved"),
  });
  const table = new TableClient(paths.tableSocket);
  const xds = new XdsServer({
    socketPath: paths.xdsSocket,
    log,
    onConnect: () => sync.envoyConnected(),
    onReply: (type, refusal) => operations.xdsReplied(type, refusal),
  });
  const operations = new Operations({
    options,
    state,
    log,
    loadKubeConfig: kubeConfigLoader(options),
    nodePortAddresses: () => sync.nodePortAddresses,
    figures: () => ({
      ...sync.figures(),
      envoysConnected: xds.connections().length,
      pluginBuild: plugin.status().build,
      problems: problems.counts(),
      watches: source.status(),
    }),
  });
  const sync = new NodeSync({
    ...{ options, state, problems, log, table, xds },
    observer: operations,
    metrics: operations.counted,
    serve: () => rollout.serve(),
  });
  const rollout = new PluginRollout({ xds, table, pushSnapshot: () => sync.pushSnapshot() });
  const plugin = new ActivePlugin(
    rollout,
    new PluginStore(options.pluginFile, paths.loadedPlugin),
    log,
  );
  const pluginFile = followedPlugin(options, {
    plugin,
    isEnvoyConnected: () => xds.connections().length > 0,
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
  const handlers: ControlHandlers = {
    status: () => ({
      version: PORTICO_VERSION,
      pid: process.pid,
      nodeName: options.nodeName,
      source: describeSource(options),
      watches: source.status(),
      envoyConnected: xds.connections().length > 0,
      ...sync.status(),
      plugin: plugin.status(),
      problems: problems.list(),
    }),
    loadPlugin: (wasm, from) => plugin.load(wasm, from),
    resetPlugin: () => plugin.reset(),
  };
  return { problems, table, xds, operations, sync, plugin, pluginFile, source, handlers };
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
  const parts = assemble(options, log);
  const { problems, table, xds, operations, sync, plugin, pluginFile, source, handlers } = parts;
  atEnd(
    () => table.close(),
    () => operations.stop(),
  );
  await operations.start();
  problems.report("kernel", (await kernelProblems(options)).map(problemOfThisNode));
  await plugin.begin(await pluginFile?.first());
  await xds.start();
  atEnd(
    () => xds.stop(),
    () => sync.stop(),
  );
  const control = await startControlServer(runPaths(options.runDir).controlSocket, handlers);
  atEnd(() => control.close());
  const envoy = await superviseEnvoy(options, log, () => operations.envoyDied());
  atEnd(() => envoy?.release());
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

async function kernelProblems({ runDir, earlyDemuxFile }: RunOptions): Promise<string[]> {
  const early = await disableEarlyDemux(runPaths(runDir).earlyDemux, earlyDemuxFile);
  return [...(await kernelSettingProblems()), ...early];
}

function problemOfThisNode(message: string): Problem {
  return { object: "This node", message };
}

async function superviseEnvoy(
  options: RunOptions,
  log: Log,
  onDeath: () => void,
): Promise<EnvoySupervisor | undefined> {
  if (!options.withEnvoy) return undefined;
  const supervisor = new EnvoySupervisor({
    runDirectory: options.runDir,
    nodeId: options.nodeName,
    binary: await findEnvoy(process.env, (line) => log.info(line)),
    concurrency: options.envoyConcurrency === 0 ? undefined : options.envoyConcurrency,
    log,
    onDeath,
  });
  await supervisor.start();
  return supervisor;
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
