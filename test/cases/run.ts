// The cases on something that can be asked what becomes of a connection.
//
// How to add a runner: implement CaseRunner and call runCases(…) in a file of tests. One runner
// serves all cases one after another, so that what an earlier case leaves behind shows.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type CaseProtocol,
  type Connection,
  expectedOutcome,
  type KubernetesObject,
  type Outcome,
  type Step,
} from "./case.ts";
import { ALL_CASES } from "./cases.ts";
import { casesFor, type RunnerName } from "./features.ts";
import { BASE_OBJECTS, type ClientName } from "./topology.ts";

export interface CaseRunner {
  /** The cluster consists of these objects now, and of nothing else. Done when it took effect. */
  apply(objects: readonly KubernetesObject[]): Promise<void> | void;
  /**
   * What becomes of connections from `from` to `to` ("address:port"). Where several backends may
   * answer, all who do, each once; so try often enough. Asked for all connections of a step at
   * once.
   */
  outcome(from: ClientName, to: string, protocol: CaseProtocol): Promise<Outcome> | Outcome;
  close?(): Promise<void> | void;
}

/** Tests all cases that the runner has the features for, on one made before the first of them. */
export function runCases(
  name: RunnerName,
  title: string,
  makeRunner: () => Promise<CaseRunner> | CaseRunner,
): void {
  const cases = casesFor(name, ALL_CASES);
  describe(title, () => {
    let runner: CaseRunner | undefined;
    beforeAll(async () => {
      runner = await makeRunner();
    });
    afterAll(() => runner?.close?.());
    test.each(cases.map((each) => [each.name, each] as const))("%s", async (_, each) => {
      if (!runner) throw new Error("there is no runner");
      for (const [index, step] of [each, ...(each.later ?? [])].entries()) {
        await runStep(runner, step, index);
      }
    });
  });
}

async function runStep(runner: CaseRunner, step: Step, index: number): Promise<void> {
  await runner.apply(clusterOf(step.objects));
  const tried = step.connections.map(async (connection) => {
    const { from, to, protocol = "TCP" } = connection;
    return { connection, outcome: await runner.outcome(from, to, protocol) };
  });
  for (const { connection, outcome } of await Promise.all(tried)) {
    const title = `step ${index}: ${connection.from} → ${connection.to}`;
    const expected = shown(expectedOutcome(connection));
    if (isAffine(connection)) {
      expect(shown(outcome), title).toHaveLength(1);
      expect(expected, title).toEqual(expect.arrayContaining(shown(outcome) as string[]));
    } else expect(shown(outcome), title).toEqual(expected);
  }
}

function isAffine({ expect: expected }: Connection): boolean {
  return typeof expected !== "string" && expected.affinity === true;
}

function shown(outcome: Outcome): unknown {
  if (typeof outcome === "string") return outcome;
  return [...outcome].map(([backend, source]) => `${backend} sees ${source}`).sort();
}

/** The base objects with those of a step, which replace base objects of their name. */
function clusterOf(objects: readonly KubernetesObject[]): KubernetesObject[] {
  const identity = ({ kind, metadata }: KubernetesObject) => `${kind} ${metadata.name}`;
  const own = new Set(objects.map(identity));
  return [...BASE_OBJECTS.filter((each) => !own.has(identity(each))), ...objects];
}
