// The watch of this node's kernel and its listeners: rules that others remove come back, early
// demux stays off, a new address of the node gets its node ports, a bridge its rules.
//
// How to add one: a listener on `watch`, which treats an event only as a reason to look.

import { bridgePlan } from "../capture/bridge-plan.ts";
import { TABLE } from "../capture/elements.ts";
import { OWN_NFT } from "../capture/named-nft.ts";
import type { RunOptions } from "../config/run-options.ts";
import { endFormerMonitors } from "../kernel-watch/former-monitors.ts";
import { KernelWatch, type Missed } from "../kernel-watch/kernel-watch.ts";
import type { EventMetrics } from "../observe/event-metrics.ts";
import type { Log } from "../observe/log.ts";
import type { NodeSync, SyncObserver } from "../plane/node-sync.ts";
import { systemClock } from "../system/clock.ts";
import { capturedFamilies } from "../system/ip-families.ts";
import { spaced } from "../system/spaced.ts";
import { BridgeWatch } from "./bridge-watch.ts";
import { EarlyDemuxKeeper } from "./early-demux-keeper.ts";
import { KernelRepairs } from "./kernel-repairs.ts";
import { PolicyHookWatch } from "./policy-hook-watch.ts";

/** On many networks addresses and interfaces come and go with each Pod. */
const ADDRESS_INTERVAL_MS = 200;

/** The settings of the guarded parts. */
type KernelGuardOptions = Pick<RunOptions, "routeTable" | "bridgeCapture" | "policyHook">;

interface KernelGuardParts {
  /** File that records the sysctl tcp_early_demux as it was before Portico. */
  earlyDemuxRecord: string;
  log: Log;
  sync: () => NodeSync;
  metrics: EventMetrics;
  /** Replaces what `source` reports about this node. */
  report: (source: string, messages: readonly string[]) => void;
}

export interface KernelGuard {
  watch: KernelWatch;
  repairs: KernelRepairs;
  policyHook: PolicyHookWatch;
  /** Resolves when the kernel's settings are in place. */
  start(): Promise<void>;
  stop(): void;
}

/** Returns the watch with its listeners. Nothing runs until `start`. */
export function kernelGuard(options: KernelGuardOptions, parts: KernelGuardParts): KernelGuard {
  const { log, sync, metrics, report, earlyDemuxRecord } = parts;
  const clock = systemClock;
  const watch = new KernelWatch({
    clock,
    table: TABLE,
    ownProcess: OWN_NFT,
    onTrouble: (of, why) => report(`watch-${of}`, why === undefined ? [] : [blindness(of, why)]),
  });
  const repairs = new KernelRepairs({
    watch,
    clock,
    log,
    routeTable: options.routeTable,
    isProgrammed: () => sync().hasKernel,
    requestFull: () => sync().requestFull(),
    rewriteKernel: () => sync().rewriteKernel(),
    repaired: (part) => metrics.repairs.inc({ part }),
  });
  const earlyDemux = new EarlyDemuxKeeper({
    watch,
    clock,
    log,
    record: earlyDemuxRecord,
    repaired: () => metrics.repairs.inc({ part: "sysctl" }),
    report: (messages) => report("early-demux", messages),
  });
  const bridges = new BridgeWatch({
    watch,
    clock,
    changed: () => sync().nodeChanged(),
    planFor: (calls) => bridgePlan(options.bridgeCapture, calls),
    planned: ({ redirects, problems }) => {
      if (redirects) log.info("redirecting TCP connections of Pods on bridges to Envoy by NAT");
      sync().setRedirectsBridges(redirects);
      report("kernel bridges", problems);
    },
  });
  const policyHook = new PolicyHookWatch({
    watch,
    clock,
    policyHook: options.policyHook,
    families: capturedFamilies(),
    requestFull: () => sync().requestFull(),
    report: (messages) => report("kernel policy hook", messages),
  });
  const look = spaced(clock, ADDRESS_INTERVAL_MS, () => sync().addressesMayHaveChanged());
  for (const kind of ["address", "link", "missed"] as const) watch.listen(kind, look);
  return {
    watch,
    repairs,
    policyHook,
    start: async () => {
      await earlyDemux.putOff();
      await bridges.start();
      await endFormerMonitors();
      watch.start();
    },
    stop: () => {
      watch.stop();
      bridges.stop();
      earlyDemux.stop();
      policyHook.stop();
    },
  };
}

function blindness(of: Missed["of"], why: string): string {
  const what = of === "routing" ? "rules, routes and addresses" : "nftables";
  return `changes by other processes in ${what} are noticed only once per --sync-period: ${why}`;
}

/** Passes every sync to all of them. */
export function observedByAll(observer: SyncObserver, guard: KernelGuard): SyncObserver {
  const { repairs, policyHook } = guard;
  return {
    queued: () => observer.queued(),
    began: (full) => {
      observer.began(full);
      repairs.began(full);
    },
    underWay: () => observer.underWay(),
    succeeded: (durationSeconds, full) => {
      observer.succeeded(durationSeconds, full);
      repairs.succeeded(full);
      if (full) void policyHook.look();
    },
    failed: (error) => observer.failed(error),
  };
}
