// `portico run`: starts the parts of a controller (assemble.ts) in order, and ends them in reverse
// order. Each part knows what it does; sync decides what is synced when.

import { mkdir } from "node:fs/promises";
import { cpus } from "node:os";
import { KernelCapture } from "../capture/apply.ts";
import { setConntrack } from "../capture/conntrack-settings.ts";
import { kernelSettingProblems, SOURCE_MARK_SETTING } from "../capture/kernel-settings.ts";
import { DEFAULT_CAPTURE_OPTIONS } from "../capture/options.ts";
import { watchConfigFile } from "../config/config-file-watch.ts";
import { type RunOptions, runPaths } from "../config/run-options.ts";
import { startControlServer } from "../control/control-server.ts";
import { presentPlace } from "../envoys/envoys.ts";
import { lookForEnforcers, openPolicies, watchEnforcers } from "../guard/policy-enforcers.ts";
import { RoutingRuleWatch } from "../guard/routing-rules.ts";
import { type Problem, ROUTING_RULE_FIRST } from "../model/types.ts";
import { watchDescriptors } from "../observe/descriptors.ts";
import { createLog, type Log } from "../observe/log.ts";
import type { Problems } from "../observe/problems.ts";
import { PluginSources } from "../rollout/plugin-sources.ts";
import { systemClock } from "../system/clock.ts";
import { Looks } from "../system/looks.ts";
import { lockNode } from "../system/node-lock.ts";
import { PORTICO_VERSION } from "../system/version.ts";
import { assemble } from "./assemble.ts";
import { problemOfThisNode } from "./problem-of-this-node.ts";

/** From reading the kernel's settings in vain, for lack of descriptors, say, to the next time. */
const SETTINGS_RETRY_MS = 5_000;
/** As kube-proxy's; what started the process should restart it. */
const CONFIG_CHANGED = "content of the configuration file was updated";

/** Runs until SIGTERM or SIGINT. Rejects when it cannot start, or its configuration changes. */
export async function runDaemon(options: RunOptions): Promise<void> {
  const log = createLog(options.logLevel);
  const unlock = await lockNode(`pid ${process.pid}, run directory ${options.runDir}`);
  try {
    await mkdir(options.runDir, { recursive: true, mode: 0o700 });
    const stop = await start(options, log);
    log.info({ version: PORTICO_VERSION, node: options.nodeName }, "portico started");
    const reason = await firstReasonToStop(options);
    log.info({ reason }, "stopping; Envoy and the kernel rules keep serving");
    await stop();
    if (reason === CONFIG_CHANGED) throw new Error(reason);
  } finally {
    unlock();
  }
}

type Ending = () => unknown;

/** Returns a function that ends everything. A start that fails ends what had started. */
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

/** Passes to `atEnd` what ends each started part; the last one ends first. */
async function begin(options: RunOptions, log: Log, atEnd: (...endings: Ending[]) => void) {
  const parts = assemble(options, log, await presentPlace(options));
  const { problems, operations, sync, guard, plugin, pluginFile, envoys, source } = parts;
  const { functions, followsFunctions, page, handlers } = parts;
  // First, because a list takes longer than all that follows.
  atEnd(() => source.stop());
  await source.start();
  const reportOpenPolicies = (notHeld: string[]) => {
    problems.report("network policies", notHeld.map(problemOfThisNode));
  };
  const enforcers = await lookForEnforcers(options, log);
  reportOpenPolicies(openPolicies(enforcers));
  atEnd(
    watchEnforcers(enforcers, {
      policyHook: options.policyHook,
      everyMs: options.syncPeriodMs,
      clock: systemClock,
      log,
      report: reportOpenPolicies,
    }),
  );
  await removeLeftovers(log);
  atEnd(() => operations.stop());
  await operations.start();
  atEnd(watchOwnDescriptors(problems));
  const settings = new Looks({
    clock: systemClock,
    retryMs: SETTINGS_RETRY_MS,
    look: async () => {
      problems.report("kernel", (await kernelSettingProblems()).map(problemOfThisNode));
    },
  });
  atEnd(() => settings.stop());
  await settings.now();
  await trackAsConfigured(options, log);
  const rules = new RoutingRuleWatch({
    watch: guard.watch,
    clock: systemClock,
    own: { markBit: 2 ** options.markBit, rulePriority: options.rulePriority },
    report: (found) => problems.report("kernel rules", found.map(ruleProblem)),
  });
  atEnd(
    () => guard.stop(),
    () => rules.stop(),
  );
  await rules.look();
  guard.watch.watchSetting(SOURCE_MARK_SETTING);
  guard.watch.listen("setting", () => void settings.now());
  await guard.start();
  await plugin.begin(await pluginFile?.first(), await functions.begin());
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
  atEnd(parts.envoyRoom.start(), parts.ejections.start(), parts.limits.start());
  const sources = options.watchPlugin ? new PluginSources(plugin, log) : undefined;
  sources?.start();
  for (const followed of [pluginFile, ...followsFunctions]) followed?.start();
  // Again, so that it also ends first; the second time it has nothing to do.
  atEnd(
    () => source.stop(),
    () => sources?.stop(),
    () => pluginFile?.stop(),
    ...followsFunctions.map((each) => () => each.stop()),
  );
  source.deliver();
}

/** Returns a function that stops it. */
function watchOwnDescriptors(problems: Problems): () => void {
  return watchDescriptors({
    clock: systemClock,
    report: (found) => problems.report("descriptors", found.map(problemOfThisNode)),
  });
}

/** Removes those of a killed controller. What prevents this also fails the first sync. */
async function removeLeftovers(log: Log): Promise<void> {
  const removed = new KernelCapture(DEFAULT_CAPTURE_OPTIONS).removeLeftovers();
  for (const each of await removed.catch(() => [])) {
    log.info({ removed: each }, "removed what an earlier controller left behind");
  }
}

/** Services work without it, so what cannot be set is logged, and is not a problem of the node. */
async function trackAsConfigured({ conntrack }: RunOptions, log: Log): Promise<void> {
  const { set, problems } = await setConntrack(conntrack, cpus().length);
  if (set.length > 0) log.info({ sysctls: set }, "set the sysctls of connection tracking");
  for (const problem of problems)
    log.warn({ problem }, "cannot set the sysctls of connection tracking");
}

function ruleProblem(message: string): Problem {
  return { ...problemOfThisNode(message), reason: ROUTING_RULE_FIRST };
}

/** Resolves to the name of a signal, or to CONFIG_CHANGED. */
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
