// A probe, dialled in one world → what was found, as a few texts that can be compared: sorted, each
// once, without anything that chance decides.

import type { DialResult, Target } from "./agent-messages.ts";
import { BACKENDS, type ClientName, CROWD, nameOfAddress } from "./lab.ts";
import { type Dial, doorFrom, type Probe } from "./state.ts";
import type { World } from "./world.ts";

/** "pod-a:8080 sees client-1", "refused", …; the kinds of Probe say what counts. */
export type Observation = readonly string[];

export interface Effort {
  /** Of a spread. */
  tries: number;
  timeoutMs: number;
}

export async function observe(world: World, probe: Probe, effort: Effort): Promise<Observation> {
  switch (probe.kind) {
    case "spread":
      return distinct((await spreadResults(world, probe, effort)).map(textOf));
    case "sequence":
    case "moves":
      return observeSequence(world, probe, effort);
    case "flow": {
      const target = targetFrom(probe, effort);
      const agent = world.agentOf(probe.from);
      return (await agent.results({ op: "flow", flow: probe.flow, target })).map(textOf);
    }
    case "health": {
      const target = targetFrom(probe, effort);
      return [await world.agentOf(probe.from).text({ op: "http", target })];
    }
  }
}

function targetFrom({ to, protocol }: Dial, { timeoutMs }: Effort): Target {
  return { ...doorFrom(to), protocol, timeoutMs };
}

/** Of the crowd everybody dials once. */
async function spreadResults(world: World, dial: Dial, effort: Effort): Promise<DialResult[]> {
  const agent = world.agentOf(dial.from);
  const target = targetFrom(dial, effort);
  if (dial.from !== "crowd") return agent.results({ op: "dial", target, tries: effort.tries });
  const dialled = CROWD.map((localAddress) =>
    agent.results({ op: "dial", target: { ...target, localAddress }, tries: 1 }),
  );
  return (await Promise.all(dialled)).flat();
}

/** All by the client of the first. */
async function observeSequence(
  world: World,
  { kind, dials, pauseMs }: Extract<Probe, { dials: unknown }>,
  effort: Effort,
): Promise<Observation> {
  const from = dials[0]?.from ?? "outside";
  const targets = dials.map((dial) => targetFrom(dial, effort));
  const results = await world.agentOf(from).results({ op: "sequence", targets, pauseMs });
  return kind === "moves" ? movesFrom(from, results) : patternFrom(from, results);
}

function textOf({ outcome, backend, source }: DialResult): string {
  return outcome === "answered" ? `${backend} sees ${nameOfAddress(source)}` : outcome;
}

/** "A A B sees client-1, client-1, …": letters for backends, in the order of their appearance. */
function patternFrom(from: ClientName, results: readonly DialResult[]): Observation {
  const letters = new Map<string, string>();
  const pattern = results.map(({ outcome, backend }) => {
    if (outcome !== "answered") return outcome;
    const letter = letters.get(backend) ?? String.fromCharCode(65 + letters.size);
    letters.set(backend, letter);
    return letter;
  });
  return [`in turn: ${pattern.join(" ")}`, ...sourcesOf(from, results)];
}

function movesFrom(from: ClientName, results: readonly DialResult[]): Observation {
  const backends = new Set(results.map(({ backend }) => backend));
  const failures = results.filter(({ outcome }) => outcome !== "answered").map(textOf);
  const many = backends.size > 1 ? "more than one backend" : "always the same backend";
  return [many, ...distinct(failures), ...sourcesOf(from, results)];
}

/** Not of a client that may have met itself, by chance: it then sees another address. */
function sourcesOf(from: ClientName, results: readonly DialResult[]): string[] {
  if (BACKENDS.some((backend) => backend === from)) return [];
  const answered = results.filter(({ outcome }) => outcome === "answered");
  return distinct(answered.map(({ source }) => `seen as ${nameOfAddress(source)}`));
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort();
}
