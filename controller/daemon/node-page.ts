// The live page of this node: the page's parts, connected to the controller's. Undefined where it
// is not configured, so that it costs nothing then.

import { join } from "node:path";
import { ADMIN_SOCKET } from "../../envoy/bootstrap.ts";
import type { RunOptions } from "../config/run-options.ts";
import type { ControllerStatus } from "../control/control-api.ts";
import type { ClusterState } from "../model/cluster-state.ts";
import type { NodeViewChange } from "../node/node-view.ts";
import type { EjectionWatch } from "../observe/ejection-watch.ts";
import type { Log } from "../observe/log.ts";
import type { ServiceStatsReader } from "../observe/service-stats.ts";
import { assetRoutes } from "../page/assets.ts";
import { envoyTotals } from "../page/envoy-totals.ts";
import { LivePage } from "../page/live-page.ts";
import type { Level } from "../page/page-api.ts";
import { PageServer } from "../page/server.ts";
import { serviceTotals } from "../page/service-totals.ts";
import type { NodeSync } from "../plane/node-sync.ts";
import { systemClock, wallClock } from "../system/clock.ts";

interface NodePageParts {
  state: ClusterState;
  log: Log;
  /** Its Envoy is the active one. */
  sync: NodeSync;
  stats: ServiceStatsReader;
  ejections: EjectionWatch;
  status: () => ControllerStatus;
}

export interface NodePage {
  viewChanged(change: NodeViewChange): void;
  happened(level: Level, text: string): void;
  start(): Promise<void>;
  stop(): void;
}

/** Throws when the page's files are missing. */
export function nodePage(options: RunOptions, parts: NodePageParts): NodePage | undefined {
  const { pageAddress: where } = options;
  if (where === undefined) return undefined;
  const { state, log, sync, stats, ejections, status } = parts;
  const readTraffic = async () => {
    const node = await envoyTotals(join(sync.plane.place.directory, ADMIN_SOCKET));
    if (options.serviceMetrics === "off") return { node };
    return { node, services: serviceTotals(await stats.readAndForgetGone(), node) };
  };
  const page = new LivePage({
    state,
    status,
    readTraffic,
    ejections: () => ejections.last ?? [],
    wallClock,
    clock: systemClock,
  });
  const routes = { ...assetRoutes(), ...page.routes() };
  const server = new PageServer({ where, routes, clock: systemClock, log });
  return {
    viewChanged: (change) => page.viewChanged(change),
    happened: (level, text) => page.happened(level, text),
    start: () => server.start(),
    stop: () => {
      server.stop();
      page.stop();
    },
  };
}
