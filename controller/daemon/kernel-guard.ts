// The watch of this node's kernel with what hangs on it: rules that others remove come back, the
// early demux stays off, a new address of the node gets its node ports, a bridge its rules.
//
// How to add one: a listener on `watch`, which takes an event for a reason to look and no more.

import { bridgePlan } from "../capture/bridge-plan.ts";
import { TABLE } from "../capture/elements.ts";
import { OWN_NFT } from "../capture/named-nft.ts";
import { systemClock } from "../clock.ts";
import { type RunOptions, runPaths } from "../config.ts";
import { endFormerMonitors } from "../kernel-watch/former-monitors.ts";
import { KernelWatch, type Missed } from "../kernel-watch/kernel-watch.ts";
import type { EventMetrics } from "../observe/event-metrics.ts";
import type { Log } from "../observe/log.ts";
import { BridgeWatch } from "./bridge-watch.ts";
import { EarlyDemuxKeeper } from "./early-demux-keeper.ts";
import { KernelRepairs } from "./kernel-repairs.ts";
import type { NodeSync, SyncObserver } from "./node-sync.ts";
import { spaced } from "./spaced.ts";

/** On many networks addresses and interfaces come and go with each Pod. */
const ADDRESS_INTERVAL_MS = 200;

export interface KernelGuardParts {
  log: Log;
  sync: () => NodeSync;
  metrics: EventMetrics;
  /** Replaces what `source` has to report of this node. */
  report: (source: string, messages: readonly string[]) => void;
}

export interface KernelGuard {
  watch: KernelWatch;
  repairs: KernelRepairs;
  /** Resolves when the settings of the kernel were made. */
  start(): Promise<void>;
  stop(): void;
}

export function kernelGuard(options: RunOptions, parts: KernelGuardParts): KernelGuard {
  const { log, sync, metrics, report } = parts;
  const clock = systemClock;
  const watch = new KernelWatch({
    ...{ clock, table: TABLE, ownProcess: OWN_NFT },
    onTrouble: (of, why) => report(`watch-${of}`, why === undefined ? [] : [blindness(of, why)]),
  });
  const repairs = new KernelRepairs({
    ...{ watch, clock, log, routeTable: options.routeTable },
    isProgrammed: () => sync().hasKernel,
    requestFull: () => sync().requestFull(),
    rewriteKernel: () => sync().rewriteKernel(),
    repaired: (part) => metrics.repairs.inc({ part }),
  });
  const earlyDemux = new EarlyDemuxKeeper({
    ...{ watch, log, record: runPaths(options.runDir).earlyDemux },
    repaired: () => metrics.repairs.inc({ part: "sysctl" }),
    report: (messages) => report("early-demux", messages),
  });
  const bridges = new BridgeWatch({
    ...{ watch, clock },
    changed: () => sync().nodeChanged(),
    planFor: (calls) => bridgePlan(options.bridgeCapture, calls),
    planned: ({ redirects, problems }) => {
      if (redirects) log.info("TCP connections of Pods on bridges are led to Envoy by NAT");
      sync().setRedirectsBridges(redirects);
      report("kernel bridges", problems);
    },
  });
  const look = spaced(clock, ADDRESS_INTERVAL_MS, () => sync().addressesMayHaveChanged());
  for (const kind of ["address", "link", "missed"] as const) watch.listen(kind, look);
  return {
    watch,
    repairs,
    start: async () => {
      await earlyDemux.putOff();
      await bridges.start();
      await endFormerMonitors();
      watch.start();
    },
    stop: () => {
      watch.stop();
      bridges.stop();
    },
  };
}

function blindness(of: Missed["of"], why: string): string {
  const what = of === "routing" ? "rules, routes and addresses" : "nftables";
  return `what others change in ${what} is noticed once per --sync-period only: ${why}`;
}

/** Both hear of every sync. */
export function observedByBoth(observer: SyncObserver, repairs: () => KernelRepairs): SyncObserver {
  return {
    queued: () => observer.queued(),
    began: (full) => {
      observer.began(full);
      repairs().began(full);
    },
    succeeded: (durationSeconds, full) => {
      observer.succeeded(durationSeconds, full);
      repairs().succeeded(full);
    },
    failed: (error) => observer.failed(error),
  };
}
