// Kernel target → the kernel: nftables through nft, rules and routes through ip. The only file that
// changes the table `inet portico`, routing rules and routes. Everything that it makes carries
// Portico's mark (that table, routing protocol 87), so any later process finds and removes it,
// whatever its options.

import { sameData } from "../model/same-data.ts";
import { type BridgeCalls, type Bridges, readBridgeCalls, readBridges } from "./bridge-facts.ts";
import { changesIntervals, elementChanges, TABLE } from "./elements.ts";
import { codeFrom, NftError, RoutingError } from "./errors.ts";
import { type Family, familiesOf } from "./families.ts";
import { ORDER_TABLE } from "./hook-order.ts";
import type { KernelTarget } from "./kernel-target.ts";
import type { LastingNft } from "./lasting-nft.ts";
import type { CaptureOptions } from "./options.ts";
import { looseReversePath, PolicyLinks } from "./policy-links.ts";
import { type Printed, type RunProgram, runProgram } from "./program.ts";
import { releaseFrom } from "./release.ts";
import {
  type Routing,
  routingAdditions,
  routingChanges,
  routingFrom,
  routingRemovals,
  showRoutes,
  showRules,
  wantedRouting,
} from "./routes.ts";
import { recreation, replacement, rulesetFrom } from "./ruleset.ts";

const NOTHING: Routing = { rules: [], routes: [] };
/** A bridge that exists for a moment only. */
const PASSING_BRIDGE = "portico-passing";

/** What cleanup() did. */
interface CleanupReport {
  /** What was removed, as operators would type it. */
  removed: string[];
  /** Why something may have stayed. */
  problems: Error[];
}

/** The parts of the kernel that others may change. */
export type KernelPart = "nftables" | "routing";

/** What look() saw. */
export interface KernelLook {
  /** The table as nft lists it, without elements; empty when there is none. */
  table: string;
  /** In words; a route or rule as the command that would repair it. */
  changes: string[];
  /** The parts that differ from what full() left; empty before the first full(). */
  changedParts: KernelPart[];
  /** Rules or routes differed and were put back; nothing differs any more. */
  isMended: boolean;
}

/** The facts of the node that the rules depend on. */
type NodeFacts = Pick<CaptureOptions, "bridges" | "forwarding">;

interface CaptureHelpers {
  bridgeCalls: () => Promise<BridgeCalls>;
  looseReversePath: () => Promise<boolean>;
  /** Undefined: nft is started for each change. */
  lastingNft?: Pick<LastingNft, "change"> | undefined;
}

export class KernelCapture {
  readonly #options: CaptureOptions;
  readonly #families: readonly Family[];
  readonly #run: RunProgram;
  readonly #bridgeCalls: () => Promise<BridgeCalls>;
  readonly #links: PolicyLinks;
  readonly #lastingNft: CaptureHelpers["lastingNft"];
  /** What the node was like when full() looked. */
  #facts: NodeFacts | undefined;
  #isBridgeHooked = false;
  /** The table without its elements, as full() made it. */
  #listing: string | undefined;

  constructor(
    options: CaptureOptions,
    run: RunProgram = runProgram,
    helpers: Partial<CaptureHelpers> = {},
  ) {
    this.#options = options;
    const all = { bridgeCalls: readBridgeCalls, looseReversePath, ...helpers };
    this.#bridgeCalls = all.bridgeCalls;
    this.#links = new PolicyLinks(
      options,
      (args, lines) => this.#ip(args, lines),
      all.looseReversePath,
    );
    this.#families = familiesOf(options.families);
    this.#run = run;
    this.#lastingNft = all.lastingNft;
  }

  /** Replaces everything that is there, in one step; connections do not notice. */
  async full(target: KernelTarget): Promise<void> {
    this.#listing = undefined;
    if (this.#links.areWanted) await this.#links.mend();
    const forwarding = await this.#links.forwarding();
    const facts = { forwarding, bridges: await this.#prepareBridges() };
    const options = { ...this.#options, ...facts };
    const removals = await this.#addRouting(options);
    await this.#replaceTable(rulesetFrom(target, options));
    await removals();
    if (!this.#links.areWanted) await this.#links.mend();
    this.#facts = facts;
    this.#listing = await this.#list();
  }

  /** Replaces it so that no packet notices, or recreates it when others have changed its kinds. */
  async #replaceTable(ruleset: string): Promise<void> {
    const present = await this.#list();
    try {
      await this.#nft(["-f", "-"], replacement(ruleset, present));
    } catch (error) {
      if (!(error instanceof NftError) || error.code !== "refused" || present === "") throw error;
      await this.#nft(["-f", "-"], recreation(ruleset));
    }
  }

  /** Whether only full() will do: it has not been called, or the last change failed. */
  get needsFull(): boolean {
    return this.#listing === undefined;
  }

  /**
   * Changes the elements in which the two differ, in one step; what both have alike may be absent
   * from both. Not to be called where needsFull. Throws NftError; the kernel then has the old
   * elements.
   */
  async update(previous: KernelTarget, next: KernelTarget): Promise<void> {
    const listing = this.#listing;
    if (listing === undefined) throw new Error("KernelCapture.update() where only full() will do");
    this.#listing = undefined;
    const script = elementChanges(previous, next, this.#families);
    if (script !== "") await this.#change(script);
    this.#listing = listing;
  }

  /**
   * By the nft that runs, or by a new one, which also says what is wrong. Intervals are changed by
   * a new one: nft compares them with those that it has read before.
   */
  async #change(script: string): Promise<void> {
    const isDone = !changesIntervals(script) && (await this.#lastingNft?.change(script));
    if (!isDone) await this.#nft(["-f", "-"], script);
  }

  /**
   * Reports whether chains, sets, rules and routes are as full() left them, without looking at
   * elements. False before the first full().
   */
  async verify(): Promise<boolean> {
    return (await this.look()).changes.length === 0;
  }

  /**
   * Returns what is there now, without elements, and what differs from what full() left. `mends`
   * puts rules and routes back at once, since nothing is served without them: writing everything
   * takes 14 more programs.
   */
  async look({ mends = false } = {}): Promise<KernelLook> {
    const listing = this.#listing;
    if (listing === undefined) {
      const changes = ["Portico has not programmed the kernel yet"];
      return { table: await this.#list(), changes, changedParts: [], isMended: false };
    }
    const changes = await this.#routingDifferences(mends);
    const routingCount = changes.length;
    const changedParts: KernelPart[] = routingCount > 0 ? ["routing"] : [];
    const table = await this.#list();
    if (table !== listing) {
      changes.push(`chains or sets of table ${TABLE} differ from what Portico wrote`);
      changedParts.push("nftables");
    }
    if (!sameData(this.#facts?.bridges, (await this.#lookAtBridges()).facts)) {
      changes.push("the node's bridges changed, or whether they call iptables");
    }
    if (!sameData(this.#facts?.forwarding, await this.#links.forwarding())) {
      changes.push("the IP families that the node forwards changed");
    }
    const isMended = mends && routingCount > 0 && changes.length === routingCount;
    return { table, changes, changedParts, isMended };
  }

  /** Links first: a route leads to one. */
  async #routingDifferences(mends: boolean): Promise<string[]> {
    const links = mends ? await this.#links.mend() : await this.#links.differences();
    const differences = this.#families.map(async (family) => {
      const lines = routingChanges(await this.#routing(family), this.#wantedRouting(family));
      if (mends) await this.#applyRouting(family, lines);
      return lines.map((line) => `routing differs: \`ip ${family.ipOption} ${line}\``);
    });
    const linkTexts = links.map((line) => `routing differs: \`ip ${line}\``);
    return [...linkTexts, ...(await Promise.all(differences)).flat()];
  }

  /** Reports whether Portico's table exists, from this process or an earlier one. */
  async isPresent(): Promise<boolean> {
    return (await this.#list()) !== "";
  }

  /**
   * Stops capturing, and leaves Envoy the connections that it has. False when there is no table.
   * The next full() captures again.
   */
  async release(): Promise<boolean> {
    this.#listing = undefined;
    const present = await this.#list();
    if (present !== "") await this.#nft(["-f", "-"], releaseFrom(present));
    return present !== "";
  }

  /**
   * Removes everything of Portico's, and nothing else; it is fine when nothing is there. Removes as
   * much as it can: when one program fails, the other still does its part.
   */
  async cleanup(): Promise<CleanupReport> {
    const report: CleanupReport = { removed: [], problems: [] };
    this.#listing = undefined;
    const attempt = (step: Promise<string[]>) =>
      step.then(
        (removed) => report.removed.push(...removed),
        (error: Error) => report.problems.push(error),
      );
    await attempt(this.#removeTables([TABLE, ORDER_TABLE]));
    await attempt(this.#removeRouting());
    return report;
  }

  /**
   * Removes what should exist for a moment only, but remains when a program was killed meanwhile.
   * Returns what was there, as cleanup() does. Not to be called while `hookOrder` runs: this
   * removes its table.
   */
  async removeLeftovers(): Promise<string[]> {
    return [...(await this.#removeTables([ORDER_TABLE])), ...(await this.#removePassingBridge())];
  }

  async #removeTables(tables: readonly string[]): Promise<string[]> {
    const listed = (await this.#nft(["list", "tables"])).split("\n");
    const present = tables.filter((table) => listed.includes(`table ${table}`));
    const lines = present.map((table) => `table ${table}\ndelete table ${table}\n`);
    if (present.length > 0) await this.#nft(["-f", "-"], lines.join(""));
    return present.map((table) => `nft table ${table}`);
  }

  async #removeRouting(): Promise<string[]> {
    const removed: string[] = [];
    for (const family of this.#families) {
      const present = await this.#routing(family);
      await this.#applyRouting(family, routingRemovals(present, NOTHING));
      const ip = `ip ${family.ipOption}`;
      removed.push(...present.rules.map((rule) => `${ip} rule ${rule}`));
      removed.push(...present.routes.map((route) => `${ip} route ${route}`));
    }
    removed.push(...(await this.#removePassingBridge()), ...(await this.#links.remove()));
    return removed;
  }

  /**
   * Makes br_netfilter register its hook functions. It does so once, with a network namespace's
   * first bridge (or when it is loaded, if there is one), and our chains of the same priority must
   * be made after them.
   */
  async #prepareBridges(): Promise<NodeFacts["bridges"]> {
    const { facts, names } = await this.#lookAtBridges();
    if (facts.hasNetfilter && names.length === 0 && !this.#isBridgeHooked) {
      const lines = [`link add ${PASSING_BRIDGE} type bridge`, `link delete ${PASSING_BRIDGE}`];
      await this.#ip(["-batch", "-"], `${lines.join("\n")}\n`);
    }
    this.#isBridgeHooked = facts.hasNetfilter;
    return facts;
  }

  /** Removes one that remained when a program was killed between making and removing it. */
  async #removePassingBridge(): Promise<string[]> {
    const { names } = await this.#lookAtBridges();
    if (!names.includes(PASSING_BRIDGE)) return [];
    await this.#ip(["link", "delete", PASSING_BRIDGE]);
    return [`ip link ${PASSING_BRIDGE}`];
  }

  #lookAtBridges(): Promise<Bridges> {
    return readBridges((args) => this.#ip(args), this.#bridgeCalls);
  }

  /**
   * Makes the missing rules and routes. Returns a function that removes the superfluous ones, to be
   * called when no rule of nftables leads to them any more.
   */
  async #addRouting(options: CaptureOptions): Promise<() => Promise<void>> {
    const added = this.#families.map(async (family) => {
      const wanted = wantedRouting(options, family.family);
      const present = await this.#routing(family);
      await this.#applyRouting(family, routingAdditions(present, wanted));
      return () => this.#applyRouting(family, routingRemovals(present, wanted));
    });
    const removals = await Promise.all(added);
    return async () => void (await Promise.all(removals.map((remove) => remove())));
  }

  #wantedRouting({ family }: Family): Routing {
    return wantedRouting({ ...this.#options, ...this.#facts }, family);
  }

  async #applyRouting(family: Family, lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return;
    await this.#ip([family.ipOption, "-batch", "-"], `${lines.join("\n")}\n`);
  }

  async #routing(family: Family): Promise<Routing> {
    const shown = [showRules(family), showRoutes(family)].map((args) => this.#ip(args));
    const [rules = "", routes = ""] = await Promise.all(shown);
    return routingFrom(family, rules, routes);
  }

  /**
   * Returns the table without its elements; empty when there is none. Lists all tables of the
   * family, which takes 2 ms: for one table, nft 1.0.6 reads its elements even to show none (110 ms
   * for 40,000).
   */
  async #list(): Promise<string> {
    const ruleset = await this.#nft(["--terse", "list", "ruleset", "inet"]);
    const begin = ruleset.indexOf(`table ${TABLE} {\n`);
    return begin < 0 ? "" : ruleset.slice(begin, ruleset.indexOf("\n}\n", begin));
  }

  async #nft(args: readonly string[], script = ""): Promise<string> {
    const printed = await this.#run("nft", args, script).catch(startFailure);
    if (printed.code === 0) return printed.stdout;
    const code = printed.code === NOT_STARTED ? "missing" : codeFrom(printed.stderr);
    throw new NftError(code, printed.stderr, script);
  }

  async #ip(args: readonly string[], lines = ""): Promise<string> {
    const printed = await this.#run("ip", args, lines).catch(startFailure);
    if (printed.code === 0) return printed.stdout;
    const code = printed.code === NOT_STARTED ? "missing" : codeFrom(printed.stderr);
    throw new RoutingError(code, printed.stderr);
  }
}

const NOT_STARTED = -1;

function startFailure(error: NodeJS.ErrnoException): Printed {
  if (error.code !== "ENOENT" && error.code !== "EACCES") throw error;
  return { code: NOT_STARTED, stdout: "", stderr: "" };
}
