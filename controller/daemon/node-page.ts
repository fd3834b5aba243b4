// The live page of this node: the page's parts, with the controller's own behind them. Undefined
// where nobody wants one, so that it costs nothing then.

import { join } from "node:path";
import { ADMIN_SOCKET } from "../../envoy/bootstrap.ts";
import { systemClock, wallClock } from "../clock.ts";
import type { RunOptions } from "../config.ts";
import type { ClusterState } from "../model/cluster-state.ts";
import type { NodeViewChange } from "../node/node-view.ts";
import type { Log } from "../observe/log.ts";
import { assetRoutes } from "../page/assets.ts";
import { envoyTotals } from "../page/envoy-totals.ts";
import { LivePage } from "../page/live-page.ts";
import type { Level } from "../page/page-api.ts";
import { PageServer } from "../page/server.ts";
import { serviceTotals } from "../page/service-totals.ts";
import type { ControllerStatus } from "./control-api.ts";
import type { NodeSync } from "./node-sync.ts";

interface NodePageParts {
  state: ClusterState;
  log: Log;
  /** Whose Envoy is the one that serves what is new. */
  sync: NodeSync;
  status: () => ControllerStatus;
}

export interface NodePage {
  viewChanged(change: NodeViewChange): void;
  happened(level: Level, text: string): void;
  start(): Promise<void>;
  stop(): void;
}

/** Throws when the page's files are not there. */
export function nodePage(options: RunOptions, parts: NodePageParts): NodePage | undefined {
  const { pageAddress: where } = options;
  if (where === undefined) return undefined;
  const { state, log, sync, status } = parts;
  const readTraffic = async () => {
    const node = await envoyTotals(join(sync.plane.place.directory, ADMIN_SOCKET));
    if (options.serviceMetrics === "off") return { node };
    return { node, services: serviceTotals(await sync.serviceCounters.read(), node) };
  };
  const page = new LivePage({
    ...{ state, status, readTraffic, wallClock, clock: systemClock },
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
