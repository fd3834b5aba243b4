// What Services chose, and what came of it → problems of those whose function does not pick. Pure.

import type { FunctionChoice, Problem } from "../model/types.ts";

/** What a Service chose. */
export interface Chosen {
  service: string;
  choice: FunctionChoice;
}

interface Given {
  chosen: readonly Chosen[];
  folder: string | undefined;
  /** Of the functions in the folder. */
  names: readonly string[];
  /** Why a function that is in the folder does not pick as it is there; undefined: it does. */
  refusalOf: (choice: FunctionChoice) => string | undefined;
  /** Whether an earlier version of it picks. */
  isServing: (choice: FunctionChoice) => boolean;
}

const NOT_IN_SERVICE = "FunctionNotInService";
const FAILS = "FunctionFails";

/** Returns one for each Service and choice. */
export function functionProblems(given: Given): Problem[] {
  const problems = new Map<string, Problem>();
  for (const { service, choice } of given.chosen) {
    const why = whyNot(choice, given);
    if (why === undefined) continue;
    const message = given.isServing(choice)
      ? `function ${choice.name} has another version that does not pick: ${why}; ` +
        "the one before does"
      : `function ${choice.name} does not pick: ${why}; balancing applies`;
    const object = `Service ${service}`;
    problems.set(`${object} ${message}`, { object, message, reason: NOT_IN_SERVICE });
  }
  return [...problems.values()];
}

/** Returns one for each Service, choice and text of a failure (`textsOf`). */
export function failingProblems(
  chosen: readonly Chosen[],
  textsOf: (choice: FunctionChoice) => readonly string[],
): Problem[] {
  const problems = new Map<string, Problem>();
  for (const { service, choice } of chosen) {
    for (const text of textsOf(choice)) {
      const message = `function ${choice.name} fails: ${text}; balancing picks in its place`;
      const object = `Service ${service}`;
      problems.set(`${object} ${message}`, { object, message, reason: FAILS });
    }
  }
  return [...problems.values()];
}

function whyNot(choice: FunctionChoice, { folder, names, refusalOf }: Given): string | undefined {
  if (folder === undefined)
    return "this node takes no functions; start portico run with --functions";
  if (names.includes(choice.name)) return refusalOf(choice);
  const there = names.length === 0 ? "no function" : names.join(", ");
  return `${folder} has no ${choice.name}.wasm; it has: ${there}`;
}
