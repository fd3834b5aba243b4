import { expect, it } from "vitest";
import { findingsFrom, type NodeStatus, worstOf } from "./findings.ts";

const WELL: NodeStatus = {
  version: "1",
  nodeName: "node-1",
  source: "manifests in /m",
  watches: [{ kind: "Service", synced: true, restarts: 0, error: "" }],
  envoyConnected: true,
  tableVersion: 7,
  lastSync: { at: "2026-01-01T00:00:00.000Z", durationMs: 3.21, error: "" },
  plugin: { build: "abc", source: "shipped", lastRejection: null },
  problems: [],
};

function judged(change: Partial<NodeStatus>) {
  const findings = findingsFrom({ ...WELL, ...change }, 1_234);
  const notGood = findings.filter(({ level }) => level !== "good");
  return [worstOf(findings), ...notGood.map(({ title, detail }) => `${title}: ${detail}`)];
}

it("finds nothing wrong with a node that serves", () => {
  expect(judged({})).toEqual(["good"]);
  expect(findingsFrom(WELL, 1_234).map(({ detail }) => detail)).toEqual([
    "serves 1,234 frontends, table version 7",
    "took 3.2 ms",
    "follow manifests in /m",
    "abc, shipped",
  ]);
});

it.each([
  [{ envoyConnected: false }, "bad", "Envoy: is not connected: connections to Services wait"],
  [{ tableVersion: 0 }, "warn", "Envoy: has no service table yet"],
  [{ lastSync: null }, "warn", "Last sync: none yet: the first under way"],
  [{ lastSync: { at: "", durationMs: 0, error: "nft: no" } }, "bad", "Last sync: nft: no"],
  [
    { watches: [{ kind: "Node", synced: true, restarts: 3, error: "403" }] },
    "warn",
    "Watches: Node: 403",
  ],
  [
    { watches: [{ kind: "Node", synced: false, restarts: 0, error: "" }] },
    "bad",
    "Watches: Node: not listed yet",
  ],
  [
    { plugin: { build: "abc", source: "s", lastRejection: { build: "def", reason: "traps" } } },
    "warn",
    "Plugin: abc serves; def was refused: traps",
  ],
  [{ plugin: { ...WELL.plugin, build: "" } }, "warn", "Plugin: none is active"],
  [
    { problems: [{ object: "Service a/b", message: "m" }] },
    "warn",
    "Problems: 1 in objects or on this node, listed below",
  ],
] as const)("finds %j", (change, level, words) => {
  expect(judged(change)).toEqual([level, words]);
});
