// A name that nobody has → those that may have been meant.

/** At most three, nearest first; what differs in more than a third of its letters is none. */
export function nearestNames(name: string, names: Iterable<string>): string[] {
  const rated = [...new Set(names)].map((each) => ({ each, distance: distanceOf(name, each) }));
  const near = rated.filter(({ each, distance }) => distance <= Math.max(each.length, 3) / 3);
  near.sort((a, b) => a.distance - b.distance || (a.each < b.each ? -1 : 1));
  return near.slice(0, 3).map(({ each }) => each);
}

/** "", or " (did you mean a, b?)" */
export function didYouMean(name: string, names: Iterable<string>): string {
  const near = nearestNames(name, names);
  return near.length === 0 ? "" : ` (did you mean ${near.join(", ")}?)`;
}

/** Letters to insert, delete or replace (Levenshtein); of parts of a longer name, only these. */
function distanceOf(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const replaced = (row[j] ?? 0) + (letter === b[j] ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
