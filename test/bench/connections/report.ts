// Samples of all rounds → what the bench says: per peer and kind of load the medians, and each
// figure as a ratio to the others'. Pure.

import { columns } from "../../../controller/cli/output.ts";
import { type Summary, summarize } from "../statistics.ts";
import { PEER_NAMES } from "./peer.ts";
import { LOAD_KINDS, type LoadKind, type Sample } from "./rounds.ts";
import { rangeText, sameRound } from "./same-round.ts";

/** Whom every peer is compared with, round by round. */
const BASELINES = ["envoy", "haproxy", "portico"] as const;
type Baseline = (typeof BASELINES)[number];

interface PeerFigures {
  peer: string;
  kind: LoadKind;
  perSecond: Summary;
  /** Of the proxy's process, µs per connection or request; null where there is no proxy. */
  cpuUs: Summary | null;
  latencyUs: { p50: number; p99: number };
  failures: number;
  error: string;
  /** The rate as a multiple of the baseline's of the same round; null when that has none. */
  rateRatio: Record<Baseline, Summary | null>;
  /** As a rate would be if CPU time were all that counts: the baseline's µs by the peer's. */
  cpuRatio: Record<Baseline, Summary | null>;
}

export function figuresOf(samples: readonly Sample[]): PeerFigures[] {
  const peers = new Set([...PEER_NAMES, ...samples.map(({ peer }) => peer)]);
  return LOAD_KINDS.flatMap((kind) =>
    [...peers].flatMap((peer) => {
      const ofKind = samples.filter((sample) => sample.kind === kind);
      return ofKind.some((sample) => sample.peer === peer) ? figuresOfPeer(peer, kind, ofKind) : [];
    }),
  );
}

function figuresOfPeer(peer: string, kind: LoadKind, samples: readonly Sample[]): PeerFigures {
  const own = samples.filter((sample) => sample.peer === peer);
  const compare = (ratio: Ratio) => ratiosTo(samples, peer, ratio);
  return {
    peer,
    kind,
    perSecond: summarize(own.map(({ perSecond }) => perSecond)),
    cpuUs: summaryOrNull(own.flatMap(({ cpuUs }) => cpuUs ?? [])),
    latencyUs: {
      p50: summarize(own.map(({ latencyUs }) => latencyUs.p50)).median,
      p99: summarize(own.map(({ latencyUs }) => latencyUs.p99)).median,
    },
    failures: own.reduce((sum, { failures }) => sum + failures, 0),
    error: own.find(({ error }) => error !== "")?.error ?? "",
    rateRatio: compare((sample, baseline) => sample.perSecond / baseline.perSecond),
    cpuRatio: compare((sample, baseline) =>
      sample.cpuUs === undefined || baseline.cpuUs === undefined
        ? undefined
        : baseline.cpuUs / sample.cpuUs,
    ),
  };
}

type Ratio = (sample: Sample, baseline: Sample) => number | undefined;

function ratiosTo(
  samples: readonly Sample[],
  peer: string,
  ratio: Ratio,
): Record<Baseline, Summary | null> {
  const to = (baseline: Baseline) =>
    summaryOrNull(sameRound(samples, peer, baseline, ratio).filter((each) => each !== undefined));
  return { envoy: to("envoy"), haproxy: to("haproxy"), portico: to("portico") };
}

function summaryOrNull(samples: readonly number[]): Summary | null {
  return samples.length === 0 ? null : summarize(samples);
}

/** Two tables, one for each kind of load, and how Portico stands to its goal. */
export function textOf(figures: readonly PeerFigures[]): string {
  const tables = LOAD_KINDS.map((kind) => {
    const unit = kind === "new" ? "connection" : "request";
    const rows = figures.filter((row) => row.kind === kind).map(rowOf);
    return `${TITLES[kind]}\n${columns([heading(unit), ...rows])}`;
  });
  return [...tables, goalOf(figures)].join("\n");
}

/** Of plain Envoy's new connections a second. */
const GOAL = 0.9;

/** Empty when Portico or its baseline was not measured. */
function goalOf(figures: readonly PeerFigures[]): string {
  const row = figures.find(({ peer, kind }) => peer === "portico" && kind === "new");
  const rate = row?.rateRatio.envoy?.median;
  const cpu = row?.cpuRatio.envoy?.median;
  if (rate === undefined || cpu === undefined) return "";
  const judged = (ratio: number) => `${ratio.toFixed(2)} ${ratio >= GOAL ? "reached" : "MISSED"}`;
  const goal = `Goal, new connections >= ${GOAL} x plain Envoy`;
  return `${goal}: rate ${judged(rate)}, CPU ${judged(cpu)}\n`;
}

const TITLES: Record<LoadKind, string> = {
  new: "New connections, one request each",
  "keep-alive": "Requests on connections that stay",
};

function heading(unit: string): string[] {
  return [
    "PEER",
    `${unit.toUpperCase()}S/S`,
    ...BASELINES.map((name) => `RATE x ${name.toUpperCase()}`),
    `CPU µs/${unit.toUpperCase()}`,
    ...BASELINES.map((name) => `CPU x ${name.toUpperCase()}`),
    "P50 ms",
    "P99 ms",
    "FAILURES",
  ];
}

function rowOf(row: PeerFigures): string[] {
  return [
    row.peer,
    range(row.perSecond, 0),
    ...BASELINES.map((name) => range(row.rateRatio[name], 2)),
    range(row.cpuUs, 1),
    ...BASELINES.map((name) => range(row.cpuRatio[name], 2)),
    (row.latencyUs.p50 / 1_000).toFixed(2),
    (row.latencyUs.p99 / 1_000).toFixed(2),
    row.failures === 0 ? "0" : `${row.failures} (${row.error})`,
  ];
}

function range(summary: Summary | null, digits: number): string {
  return summary === null ? "" : rangeText(summary, digits);
}
