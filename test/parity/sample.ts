// A seed → which of the states are compared: all, or a sample that has some of each group. Pure.

import { Chance } from "./chance.ts";
import type { State } from "./state.ts";

type Groups = Readonly<Record<string, readonly State[]>>;

/**
 * Returns the groups with `count` of their states in all, in their order: one of each group at
 * least, the others drawn from `seed`.
 */
export function sampleOf(groups: Groups, count: number, seed: number): Groups {
  const chance = new Chance(seed);
  const all = Object.entries(groups).flatMap(([group, states]) =>
    states.map((state) => ({ group, state })),
  );
  const shuffled = chance.some(all, all.length);
  const firsts = Object.keys(groups).flatMap(
    (group) => shuffled.find((each) => each.group === group) ?? [],
  );
  const rest = shuffled.filter((each) => !firsts.includes(each));
  const drawn = new Set([...firsts, ...rest].slice(0, Math.max(count, firsts.length)));
  const isDrawn = (state: State) => [...drawn].some((each) => each.state === state);
  return Object.fromEntries(
    Object.entries(groups).map(([group, states]) => [group, states.filter(isDrawn)]),
  );
}
