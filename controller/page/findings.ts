// The controller's status → findings for the live page: does this node serve Services, and if not,
// which part of the way is broken.

import type { Problem } from "../model/types.ts";
import type { Finding, Level } from "./page-api.ts";

/** What the page needs from the controller's status (control/control-api.ts). */
export interface NodeStatus {
  version: string;
  nodeName: string;
  source: string;
  watches: readonly { kind: string; synced: boolean; restarts: number; error: string }[];
  envoyConnected: boolean;
  tableVersion: number;
  lastSync: { at: string; durationMs: number; error: string } | null;
  plugin: {
    build: string;
    source: string;
    lastRejection: { build: string; reason: string } | null;
  };
  problems: readonly Problem[];
}

const ORDER: readonly Level[] = ["good", "warn", "bad"];

/** `frontends`: how many the node view has. */
export function findingsFrom(status: NodeStatus, frontends: number): Finding[] {
  return [
    envoyFinding(status, frontends),
    syncFinding(status),
    ...watchFindings(status),
    pluginFinding(status),
    ...problemFinding(status),
  ];
}

/** Returns the worst level; "good" when there is no finding. */
export function worstOf(findings: readonly Finding[]): Level {
  return ORDER[Math.max(0, ...findings.map(({ level }) => ORDER.indexOf(level)))] ?? "good";
}

function envoyFinding({ envoyConnected, tableVersion }: NodeStatus, frontends: number): Finding {
  const title = "Envoy";
  if (!envoyConnected) {
    return { level: "bad", title, detail: "is not connected: connections to Services wait" };
  }
  if (tableVersion === 0) return { level: "warn", title, detail: "has no service table yet" };
  const served = `${frontends.toLocaleString("en-US")} frontend${frontends === 1 ? "" : "s"}`;
  return { level: "good", title, detail: `serves ${served}, table version ${tableVersion}` };
}

function syncFinding({ lastSync, watches }: NodeStatus): Finding {
  const title = "Last sync";
  if (!lastSync) {
    const waits = watches.every(({ synced }) => synced) ? "under way" : "waits for the watches";
    return { level: "warn", title, detail: `none yet: the first ${waits}` };
  }
  if (lastSync.error !== "") return { level: "bad", title, detail: lastSync.error };
  const detail = `took ${milliseconds(lastSync.durationMs)}`;
  return { level: "good", title, detail, at: Date.parse(lastSync.at) };
}

function milliseconds(durationMs: number): string {
  return durationMs < 10 ? `${durationMs.toFixed(1)} ms` : `${Math.round(durationMs)} ms`;
}

/** Returns one finding for all watches that are well, and one for each that is not. */
function watchFindings({ watches, source }: NodeStatus): Finding[] {
  const title = "Watches";
  const failing = watches.filter(({ error, synced }) => error !== "" || !synced);
  if (failing.length === 0) return [{ level: "good", title, detail: `follow ${source}` }];
  return failing.map(({ kind, synced, error }) => ({
    level: synced ? "warn" : "bad",
    title: `${title}: ${kind}`,
    detail: error === "" ? "not listed yet" : error,
  }));
}

function pluginFinding({ plugin }: NodeStatus): Finding {
  const title = "Plugin";
  if (plugin.build === "") return { level: "warn", title, detail: "none is active" };
  const { lastRejection } = plugin;
  if (lastRejection) {
    const refused = `${lastRejection.build} was refused: ${lastRejection.reason}`;
    return { level: "warn", title, detail: `${plugin.build} serves; ${refused}` };
  }
  return { level: "good", title, detail: `${plugin.build}, ${plugin.source}` };
}

function problemFinding({ problems }: NodeStatus): Finding[] {
  if (problems.length === 0) return [];
  const detail = `${problems.length} in objects or on this node, listed below`;
  return [{ level: "warn", title: "Problems", detail }];
}
