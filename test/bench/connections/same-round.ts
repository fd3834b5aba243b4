// Samples of rounds → what a peer's say next to another peer's of the same round. Pure.

import { type Summary, summarize } from "../statistics.ts";

interface Sample {
  peer: string;
  round: number;
}

/** `compare` of each sample of `peer` and the one that `baseline` has of the same round, if any. */
export function sameRound<T extends Sample, R>(
  samples: readonly T[],
  peer: string,
  baseline: string,
  compare: (own: T, other: T) => R,
): R[] {
  const others = new Map(
    samples.filter((sample) => sample.peer === baseline).map((other) => [other.round, other]),
  );
  return samples
    .filter((sample) => sample.peer === peer)
    .flatMap((own) => {
      const other = others.get(own.round);
      return other === undefined ? [] : [compare(own, other)];
    });
}

/**
 * Returns the median, and the median of its ratios to Portico's with their quartiles, as text; each
 * empty where the peer has no such figure.
 */
export function ratioText<T extends Sample>(
  samples: readonly T[],
  peer: string,
  figure: (sample: T) => number,
  digits: number,
): [value: string, ratio: string] {
  const own = samples.filter((sample) => sample.peer === peer);
  const { median } = summarize(own.map(figure));
  if (median === 0 || Number.isNaN(median)) return ["", ""];
  const ratios = sameRound(samples, peer, "portico", (a, b) => figure(a) / figure(b));
  const rounded = digits === 0 ? Math.round(median).toLocaleString("en") : median.toFixed(digits);
  return [rounded, ratios.length === 0 ? "" : rangeText(summarize(ratios), 2)];
}

/** "median (lower quartile–upper quartile)" */
export function rangeText({ median, low, high }: Summary, digits: number): string {
  return `${median.toFixed(digits)} (${low.toFixed(digits)}–${high.toFixed(digits)})`;
}
