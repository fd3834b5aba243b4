// How similar two texts are: whether one may be a mistyped form of the other. Pure.

/**
 * Returns Levenshtein's distance with swapped neighbours (optimal string alignment): how many
 * letters were added, dropped, replaced or swapped.
 */
export function editDistance(a: string, b: string): number {
  let [before, previous] = [[] as number[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      const dropped = (previous[j] ?? 0) + 1;
      const added = (row[j - 1] ?? 0) + 1;
      let best = Math.min(dropped, added, (previous[j - 1] ?? 0) + same);
      const isSwap = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] && i > 1 && j > 1;
      if (isSwap) best = Math.min(best, (before[j - 2] ?? 0) + 1);
      row.push(best);
    }
    [before, previous] = [previous, row];
  }
  return previous[b.length] ?? 0;
}

/**
 * Returns the cost of mistaking one text for the other, 0 for equal ones; undefined when they are
 * too different: more than a third of the letters differ, and neither is the other with words added
 * or left out ("orders", "orders-api").
 */
export function nearness(a: string, b: string): number | undefined {
  if (a === b) return 0;
  const [shorter, longer] = a.length < b.length ? [a, b] : [b, a];
  const distance = editDistance(a.toLowerCase(), b.toLowerCase());
  if (distance === 0) return 1;
  if (distance <= Math.max(1, Math.floor(longer.length / 3)) && distance < shorter.length) {
    return distance;
  }
  const words = shorter.split(/[-._/]/);
  const isWithin = shorter.length >= 3 && isPartOf(words, longer.split(/[-._/]/));
  return isWithin ? WORDS_COST : undefined;
}

/** More than a few letters. */
const WORDS_COST = 5;

/** Reports whether the text has all the words, in order. */
function isPartOf(words: readonly string[], text: readonly string[]): boolean {
  let next = 0;
  for (const word of text) if (word === words[next]) next += 1;
  return next === words.length;
}

/** Returns the `candidates` that may have been meant, nearest first, then by name. */
export function nearest(wanted: string, candidates: Iterable<string>): string[] {
  const near: { text: string; cost: number }[] = [];
  for (const text of new Set(candidates)) {
    const cost = nearness(wanted, text);
    if (cost !== undefined && cost > 0) near.push({ text, cost });
  }
  near.sort((a, b) => a.cost - b.cost || (a.text < b.text ? -1 : 1));
  return near.map(({ text }) => text);
}
