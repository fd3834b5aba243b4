// A state → written once, dialled in both worlds at the same time, compared. The one place that
// knows how much to try, and how often to look again before a difference counts.

import type { ApiWriter } from "./api-writer.ts";
import { verdictOn } from "./compare.ts";
import type { Compared, IntendedDifference } from "./intended-differences.ts";
import { familyOf } from "./lab.ts";
import { markObjects } from "./marker.ts";
import { type Effort, type Observation, observe } from "./observe.ts";
import {
  dialsOf,
  doorFrom,
  type KubernetesObject,
  type Probe,
  type State,
  type Step,
} from "./state.ts";
import { isCompared, type Tag } from "./tags.ts";
import type { World } from "./world.ts";

const SETTLE_DEADLINE_MS = 20_000;
const POLL_MS = 15;
const PROBES_AT_ONCE = 24;
/** A packet that is lost is sent again after 1 s: the later looks see what comes of that. */
const PATIENCE_MS = [500, 1_500, 2_500];

/**
 * A SYN over IPv6 that is refused by an ICMP error is only refused when it is sent again: within
 * one machine the first error comes while connect() still holds the socket.
 */
const LEAST_IPV6_PATIENCE_MS = 1_500;
const ENOUGH_DIFFERENCES = 4;

/** What became of one probe. */
export interface Finding {
  /** 1 for the first of the state. */
  step: number;
  probe: Probe;
  kubeProxy: Observation;
}

export interface StateReport {
  findings: Finding[];
  /** Probes that both worlds were asked. */
  comparedCount: number;
  /** What the first look found different in those that were looked at again. */
  secondLooks: string[];
  /** Ids, one for each probe that they explain. */
  intended: string[];
  differences: string[];
}

export interface Worlds {
  kubeProxy: World;
  portico: World;
}

interface Circumstances {
  /** Of this step, and of all steps of the state. */
  objects: readonly KubernetesObject[];
  allObjects: readonly KubernetesObject[];
  tries: number;
}

export class Comparison {
  readonly #worlds: Worlds;
  readonly #writer: ApiWriter;
  readonly #compared: readonly Tag[];
  readonly #intended: readonly IntendedDifference[];
  #marks = 0;

  /** Portico is asked where it has all that is needed: `tags`. It may differ as is `intended`. */
  constructor(
    worlds: Worlds,
    writer: ApiWriter,
    { tags, intended }: { tags: readonly Tag[]; intended: readonly IntendedDifference[] },
  ) {
    this.#worlds = worlds;
    this.#writer = writer;
    this.#compared = tags;
    this.#intended = intended;
  }

  async run({ steps }: State): Promise<StateReport> {
    const allObjects = steps.flatMap(({ objects }) => objects);
    const { kubeProxy, portico } = this.#worlds;
    const report: StateReport = {
      findings: [],
      comparedCount: 0,
      secondLooks: [],
      intended: [],
      differences: [],
    };
    for (const [index, step] of steps.entries()) {
      await this.#writer.write(step.objects, index === 0);
      await this.settle();
      await this.#runStep(step, index + 1, { allObjects, report });
    }
    await Promise.all([kubeProxy.closeFlows(), portico.closeFlows()]);
    return report;
  }

  /**
   * Resolves when both worlds serve all that was written until now, and are done with it. The
   * second mark is for what kube-proxy does after it wrote its rules, such as forgetting UDP flows:
   * when it writes rules again, it has done that.
   */
  async settle(deadlineMs = SETTLE_DEADLINE_MS): Promise<void> {
    await this.#settleMark(deadlineMs);
    await this.#settleMark(deadlineMs);
  }

  async #settleMark(deadlineMs: number): Promise<void> {
    const count = this.#marks++;
    await Promise.all(markObjects(count).map((object) => this.#writer.apply(object)));
    const { kubeProxy, portico } = this.#worlds;
    const worlds: World[] = [kubeProxy, portico];
    await Promise.all(worlds.map((world) => untilSettled(world, count, deadlineMs)));
  }

  async #runStep(
    { objects, probes }: Step,
    step: number,
    { allObjects, report }: { allObjects: readonly KubernetesObject[]; report: StateReport },
  ): Promise<void> {
    const tries = triesFor(objects);
    const waiting = [...probes.entries()];
    const findings: Finding[] = [];
    const lane = async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const [index, probe] = next;
        const kubeProxy = await this.#runProbe(probe, { objects, allObjects, tries }, report);
        findings[index] = { step, probe, kubeProxy };
      }
    };
    await Promise.all(Array.from({ length: PROBES_AT_ONCE }, lane));
    report.findings.push(...findings);
  }

  /** Returns what kube-proxy did; all else goes into the report. */
  async #runProbe(
    probe: Probe,
    { objects, allObjects, tries }: Circumstances,
    report: StateReport,
  ): Promise<Observation> {
    const { kubeProxy, portico } = this.#worlds;
    if (!isCompared(probe, allObjects, this.#compared)) {
      return observe(kubeProxy, probe, effort(probe, tries, 1));
    }
    report.comparedCount += 1;
    for (let look = 0; ; look++) {
      const [theirs, ours] = await Promise.all([
        observe(kubeProxy, probe, effort(probe, tries, look)),
        observe(portico, probe, effort(probe, tries, look)),
      ]);
      const compared = { probe, objects, kubeProxy: theirs, portico: ours };
      const verdict = verdictOn(compared, this.#intended);
      if (verdict.kind === "different" && look < lastLook(compared, report)) {
        if (look === 0) report.secondLooks.push(verdict.text);
        continue;
      }
      if (verdict.kind === "intended") report.intended.push(verdict.id);
      if (verdict.kind === "different") report.differences.push(verdict.text);
      return theirs;
    }
  }
}

async function untilSettled(world: World, count: number, deadlineMs: number): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  while (!(await world.isSettled(count))) {
    world.assertRunning();
    if (Date.now() > deadline) {
      throw new Error(`${world.name} does not serve the last state after ${deadlineMs} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** So that the first look usually finds every backend of the Service that has most of them. */
function triesFor(objects: readonly KubernetesObject[]): number {
  const counts = new Map<string, number>();
  const pods = objects.filter(({ kind }) => kind === "Pod");
  for (const { kind, metadata, endpoints } of objects) {
    if (kind !== "EndpointSlice") continue;
    const owner = metadata.labels?.["kubernetes.io/service-name"] ?? "";
    counts.set(owner, (counts.get(owner) ?? 0) + endpoints.length);
  }
  const most = Math.max(pods.length, ...counts.values());
  return most <= 1 ? 3 : 6 * most + 3;
}

function effort(probe: Probe, tries: number, look: number): Effort {
  const isIPv6 = dialsOf(probe).some(({ to }) => familyOf(doorFrom(to).address) === "IPv6");
  const patienceMs = PATIENCE_MS[Math.min(look, PATIENCE_MS.length - 1)] ?? 0;
  const timeoutMs = Math.max(patienceMs, isIPv6 ? LEAST_IPV6_PATIENCE_MS : 0);
  return { tries: tries * (look === 0 ? 1 : 3), timeoutMs };
}

/**
 * The index of the last look. Those that take their time and let chance decide get one; so does a
 * sequence, as its first connections are made but once, unless one of them failed: by load, or in
 * kube-proxy's world because its source port was that of a connection that was refused before, and
 * that the kernel still remembers without translation. And all get one when the state has failed
 * anyway, or a broken Portico would take hours.
 */
function lastLook({ probe, kubeProxy, portico }: Compared, { differences }: StateReport): number {
  const hasFailed =
    kubeProxy.some((text) => /timeout|refused/.test(text)) ||
    portico.some((text) => text.includes("timeout"));
  if (probe.kind === "moves" || (probe.kind === "sequence" && !hasFailed)) return 0;
  return differences.length >= ENOUGH_DIFFERENCES ? 0 : PATIENCE_MS.length - 1;
}
