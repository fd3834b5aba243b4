// Faults, one round after the other, under traffic and while objects change → what may not be.

import { setTimeout as delay } from "node:timers/promises";
import { Chance } from "../parity/chance.ts";
import { changeModel } from "./churn.ts";
import { Listed, streamsOf } from "./clients.ts";
import { nothingToHeal } from "./fault.ts";
import { FAULT_KINDS, faultKind } from "./faults.ts";
import { type Gauges, grownIn, readGauges } from "./gauges.ts";
import { leftBehind, stateOf } from "./leftovers.ts";
import { type Fault, planFrom, type Round } from "./plan.ts";
import { againLine, nameOf, roundLines } from "./report.ts";
import { settle } from "./settle.ts";
import { Stand } from "./stand.ts";
import { Traffic } from "./traffic.ts";
import { type Happened, type Loss, lossOf, violationsIn } from "./verdict.ts";

interface CampaignOptions {
  seed: number;
  faults: number;
  longestMs: number;
  /** Only these kinds; all when it is empty. */
  kinds: readonly string[];
  /** Only this round of the plan; absent: all. */
  round?: number;
  tell: (line: string) => void;
}

export interface CampaignReport {
  faults: number;
  attempts: number;
  /** A line each, with the round; empty when all was well. */
  failures: string[];
  gauges: Gauges[];
  /** What the controller logged last, for each time that it ended by itself. */
  unexpectedEnds: string[];
}

const SETTLE_MS = 60_000;
const CHURN_PAUSE_MS = 700;
const SHOWN_LOG_LINES = 40;
/** Of a round: the others say the same. */
const KEPT_VIOLATIONS = 6;

export async function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  const kinds = FAULT_KINDS.filter(
    ({ name }) => options.kinds.length === 0 || options.kinds.includes(name),
  );
  const plan = planFrom({ ...options, kinds });
  const rounds = plan.filter(({ number }) => (options.round ?? number) === number);
  const report = emptyReport();
  for (let left = rounds; left.length > 0; ) {
    const stand = await Stand.open();
    try {
      left = left.slice(await new Campaign(stand, options, report).run(left));
    } catch (error) {
      options.tell(endOf(stand.portico.log));
      throw error;
    } finally {
      await stand.close();
    }
  }
  return report;
}

function emptyReport(): CampaignReport {
  return { faults: 0, attempts: 0, failures: [], gauges: [], unexpectedEnds: [] };
}

function endOf(log: string): string {
  return log.trimEnd().split("\n").slice(-SHOWN_LOG_LINES).join("\n");
}

class Campaign {
  readonly #stand: Stand;
  readonly #options: CampaignOptions;
  readonly #chance: Chance;
  readonly #listed: Listed;
  readonly #begin = performance.now();
  readonly #report: CampaignReport;
  #traffic = new Traffic([]);
  #streams = 0;

  constructor(stand: Stand, options: CampaignOptions, report: CampaignReport) {
    this.#stand = stand;
    this.#report = report;
    this.#options = options;
    this.#chance = new Chance(options.seed);
    this.#listed = new Listed(stand.model);
  }

  /** Returns how many rounds there were: after one that the node does not survive, no more. */
  async run(rounds: readonly Round[]): Promise<number> {
    await settle(this.#stand, SETTLE_MS);
    const streams = streamsOf(this.#stand, this.#listed);
    this.#streams = streams.length;
    this.#traffic = new Traffic(streams);
    await this.#traffic.untilAllTried(this.#streams);
    this.#judge(0, []);
    const { failures, gauges, unexpectedEnds } = this.#report;
    const measuredBefore = gauges.length;
    let done = 0;
    for (let isWell = true; isWell && done < rounds.length; done++) {
      isWell = await this.#runRound(rounds[done] as Round);
      if (!isWell) this.#options.tell(endOf(this.#stand.portico.log));
    }
    await this.#traffic.stop();
    if (failures.length === 0) this.#judge(0, []);
    failures.push(...grownIn(gauges.slice(measuredBefore)));
    failures.push(...(await this.#cleanUp()));
    unexpectedEnds.push(...this.#stand.unexpectedEnds);
    return done;
  }

  /** Returns whether the node came to obey the model again; without that there is no next round. */
  async #runRound(round: Round): Promise<boolean> {
    const churn = this.#churnWhile();
    const happened = await Promise.all(
      round.faults.map((fault) => this.#happen(fault, round.number)),
    );
    await churn.stop();
    this.#report.faults += round.faults.length;
    const settled = await settle(this.#stand, SETTLE_MS).catch((error: Error) => error);
    const hasFailed = typeof settled !== "number";
    if (!hasFailed) await this.#traffic.untilAllTried(this.#streams);
    const loss = this.#judge(round.number, happened);
    if (hasFailed) this.#fail(round.number, settled.message);
    this.#listed.settled();
    if (happened.some(({ allows }) => allows.affinity)) this.#traffic.forgetAffinity();
    if (!hasFailed) this.#report.gauges.push(await readGauges(this.#stand));
    const atMs = performance.now() - this.#begin;
    const failures = this.#report.failures.filter((each) => each.startsWith(nameOf(round.number)));
    const { tell } = this.#options;
    for (const line of roundLines(round, { atMs, loss, settled, failures })) tell(line);
    if (failures.length > 0) tell(againLine(this.#options, round.number));
    return !hasFailed;
  }

  /** A fault that cannot be done or undone is a failure of its round. */
  async #happen(fault: Fault, round: number): Promise<Happened> {
    const { allows, inject } = faultKind(fault.kind);
    await delay(fault.beginsMs);
    const injectedAt = performance.now();
    // What is done in a moment is over then, and Portico has to mend it while the round goes on.
    let healedAt: number | undefined;
    try {
      const heal = await inject(this.#stand, fault.variant);
      if (heal === nothingToHeal) healedAt = performance.now();
      await delay(fault.lastsMs);
      await heal();
    } catch (error) {
      this.#fail(round, `${fault.kind}: ${(error as Error).message}`);
    }
    return { fault, allows, injectedAt, healedAt: healedAt ?? performance.now() };
  }

  /** Changes objects until it is stopped. */
  #churnWhile(): { stop: () => Promise<void> } {
    let isStopped = false;
    const loop = async () => {
      while (!isStopped) {
        const changed = changeModel(this.#stand.model, this.#chance);
        this.#listed.note();
        await this.#stand.write(changed);
        await delay(CHURN_PAUSE_MS);
      }
    };
    const going = loop();
    going.catch(() => {}); // thrown by stop
    const stop = async () => {
      isStopped = true;
      await going;
    };
    return { stop };
  }

  #judge(round: number, happened: readonly Happened[]): Loss {
    const attempts = this.#traffic.take();
    this.#report.attempts += attempts.length;
    const violations = violationsIn(attempts, happened);
    for (const violation of violations.slice(0, KEPT_VIOLATIONS)) this.#fail(round, violation);
    const more = violations.length - KEPT_VIOLATIONS;
    if (more > 0) this.#fail(round, `and ${more} such connections more`);
    return lossOf(attempts);
  }

  #fail(round: number, text: string): void {
    this.#report.failures.push(`${nameOf(round)} ${text}`);
  }

  /** After a cleanup the node has what it had before Portico came. */
  async #cleanUp(): Promise<string[]> {
    const { served, portico } = this.#stand;
    await this.#stand.stopController("SIGTERM");
    const before = await stateOf(served);
    const { code, stderr } = await portico.command("cleanup");
    if (code !== 0) return [`portico cleanup exits with ${code}: ${stderr}`];
    return leftBehind(before, await stateOf(served));
  }
}
