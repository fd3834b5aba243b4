// Samples → what a report says of them. Pure.

/** Of one measured quantity over several rounds; low and high are the quartiles. */
export interface Summary {
  median: number;
  low: number;
  high: number;
}

/** All NaN when there is no sample. */
export function summarize(samples: readonly number[]): Summary {
  return {
    median: quantile(samples, 0.5),
    low: quantile(samples, 0.25),
    high: quantile(samples, 0.75),
  };
}

/** The value below which this share (0 to 1) of the samples lies, interpolated; NaN for none. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const below = sorted[Math.floor(place)] ?? Number.NaN;
  const above = sorted[Math.ceil(place)] ?? Number.NaN;
  return below + (above - below) * (place - Math.floor(place));
}
