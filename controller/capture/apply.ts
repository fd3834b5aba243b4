// Capture set → the kernel: nftables through nft, rules and routes through ip. The only file here
// that does something. Everything it makes is Portico's by its mark (table `inet portico`, routing
// protocol 87), so that it can be found and removed by any later process, whatever its options.

import { sameData } from "../model/same-data.ts";
import type { CaptureSet } from "../node/types.ts";
import {
  type BridgeCalls,
  type BridgeFacts,
  type Bridges,
  readBridgeCalls,
  readBridges,
} from "./bridge-facts.ts";
import { elementChanges, TABLE } from "./elements.ts";
import { codeFrom, NftError, RoutingError } from "./errors.ts";
import { type Family, familiesOf } from "./families.ts";
import { ORDER_TABLE } from "./hook-order.ts";
import type { CaptureOptions } from "./options.ts";
import { type Printed, type RunProgram, runProgram } from "./program.ts";
import { releaseFrom } from "./release.ts";
import {
  type Routing,
  routingChanges,
  routingFrom,
  showRoutes,
  showRules,
  wantedRouting,
} from "./routes.ts";
import { recreation, replacement, rulesetFrom } from "./ruleset.ts";

const NOTHING: Routing = { rules: [], routes: [] };
/** A bridge that is there for a moment. */
const PASSING_BRIDGE = "portico-passing";

/** What cleanup() did. */
export interface CleanupReport {
  /** What was there and is gone, as people would type it. */
  removed: string[];
  /** Why something may have stayed. */
  problems: Error[];
}

/** What of the kernel others may change. */
export type KernelPart = "nftables" | "routing";

/** What look() saw. */
export interface KernelLook {
  /** The table as nft lists it, without elements; empty when there is none. */
  table: string;
  /** In words; a route or rule as what would mend it. */
  changes: string[];
  /** What is not as full() left it; nothing before the first full(). */
  changedParts: KernelPart[];
  /** Nothing differs any more: rules or routes did, and have been put back. */
  isMended: boolean;
}

export class KernelCapture {
  readonly #options: CaptureOptions;
  readonly #families: readonly Family[];
  readonly #run: RunProgram;
  readonly #bridgeCalls: () => Promise<BridgeCalls>;
  /** What the node's bridges were like when full() looked. */
  #bridges: BridgeFacts | undefined;
  #isBridgeHooked = false;
  /** What the table looked like, without its elements, when full() had made it. */
  #listing: string | undefined;

  constructor(
    options: CaptureOptions,
    run: RunProgram = runProgram,
    bridgeCalls: () => Promise<BridgeCalls> = readBridgeCalls,
  ) {
    this.#options = options;
    this.#bridgeCalls = bridgeCalls;
    this.#families = familiesOf(options.families);
    this.#run = run;
  }

  /** Puts everything in the place of what is there, in one step; connections do not notice. */
  async full(set: CaptureSet): Promise<void> {
    this.#listing = undefined;
    await this.#route();
    const bridges = await this.#prepareBridges();
    await this.#replaceTable(rulesetFrom(set, { ...this.#options, bridges }));
    this.#bridges = bridges;
    this.#listing = await this.#list();
  }

  /** In a way that no packet notices; only over a table that others have bent, in the rough one. */
  async #replaceTable(ruleset: string): Promise<void> {
    const present = await this.#list();
    try {
      await this.#nft(["-f", "-"], replacement(ruleset, present));
    } catch (error) {
      if (!(error instanceof NftError) || error.code !== "refused" || present === "") throw error;
      await this.#nft(["-f", "-"], recreation(ruleset));
    }
  }

  /**
   * Changes the elements in which the two sets differ, in one step. Does the whole instead when
   * the last change failed. Throws NftError or RoutingError; the kernel then has the old elements.
   */
  async update(previous: CaptureSet, next: CaptureSet): Promise<void> {
    if (this.#listing === undefined) return await this.full(next);
    const listing = this.#listing;
    this.#listing = undefined;
    const script = elementChanges(previous, next, this.#families);
    if (script !== "") await this.#nft(["-f", "-"], script);
    this.#listing = listing;
  }

  /**
   * Whether chains, sets, rules and routes are as full() left them. Does not look at elements.
   * False also before the first full().
   */
  async verify(): Promise<boolean> {
    return (await this.look()).changes.length === 0;
  }

  /**
   * What is there now, without elements, and what is not as full() left it. `mends` has rules and
   * routes put back at once, for without them nothing is served: to write the whole takes 14 more
   * programs.
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
      changes.push(`chains or sets of table ${TABLE} are not as Portico wrote them`);
      changedParts.push("nftables");
    }
    if (!sameData(this.#bridges, (await this.#lookAtBridges()).facts)) {
      changes.push("the node's bridges, or whether they call iptables, changed");
    }
    const isMended = mends && routingCount > 0 && changes.length === routingCount;
    return { table, changes, changedParts, isMended };
  }

  async #routingDifferences(mends: boolean): Promise<string[]> {
    const differences = this.#families.map(async (family) => {
      const lines = routingChanges(await this.#routing(family), wantedRouting(this.#options));
      if (mends) await this.#applyRouting(family, lines);
      return lines.map((line) => `routing differs: \`ip ${family.ipOption} ${line}\``);
    });
    return (await Promise.all(differences)).flat();
  }

  /** Whether there is a table of Portico's, from this process or an earlier one. */
  async isPresent(): Promise<boolean> {
    return (await this.#list()) !== "";
  }

  /**
   * Captures nothing more, and leaves Envoy what it has. False when there is no table. The next
   * full() captures again.
   */
  async release(): Promise<boolean> {
    this.#listing = undefined;
    const present = await this.#list();
    if (present !== "") await this.#nft(["-f", "-"], releaseFrom(present));
    return present !== "";
  }

  /**
   * Removes everything of Portico's, and nothing else; nothing there is fine too. Goes as far as it
   * can: what one program cannot remove does not keep the other from its part.
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
   * Removes what is there for a moment only, and stays when a program is killed meanwhile. Returns
   * what was there, as cleanup() does. Not while `hookOrder` runs, whose table this removes.
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
      await this.#changeRouting(family, present, NOTHING);
      const ip = `ip ${family.ipOption}`;
      removed.push(...present.rules.map((rule) => `${ip} rule ${rule}`));
      removed.push(...present.routes.map((route) => `${ip} route ${route}`));
    }
    removed.push(...(await this.#removePassingBridge()));
    return removed;
  }

  /**
   * Has br_netfilter put its functions on their hooks, which it does once, with a network
   * namespace's first bridge (or when it is loaded, if there is one): our chains of the same
   * priority have to be made after them.
   */
  async #prepareBridges(): Promise<BridgeFacts> {
    const { facts, names } = await this.#lookAtBridges();
    if (facts.hasNetfilter && names.length === 0 && !this.#isBridgeHooked) {
      const lines = [`link add ${PASSING_BRIDGE} type bridge`, `link delete ${PASSING_BRIDGE}`];
      await this.#ip(["-batch", "-"], `${lines.join("\n")}\n`);
    }
    this.#isBridgeHooked = facts.hasNetfilter;
    return facts;
  }

  /** One that was left when a program was killed between making and removing it. */
  async #removePassingBridge(): Promise<string[]> {
    const { names } = await this.#lookAtBridges();
    if (!names.includes(PASSING_BRIDGE)) return [];
    await this.#ip(["link", "delete", PASSING_BRIDGE]);
    return [`ip link ${PASSING_BRIDGE}`];
  }

  #lookAtBridges(): Promise<Bridges> {
    return readBridges((args) => this.#ip(args), this.#bridgeCalls);
  }

  async #route(): Promise<void> {
    const wanted = wantedRouting(this.#options);
    const changes = this.#families.map(async (family) => {
      await this.#changeRouting(family, await this.#routing(family), wanted);
    });
    await Promise.all(changes);
  }

  async #changeRouting(family: Family, present: Routing, wanted: Routing): Promise<void> {
    await this.#applyRouting(family, routingChanges(present, wanted));
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
   * The table without its elements; empty when there is none. Lists all of the family, since that
   * takes 2 ms: asked for one table, nft 1.0.6 reads its elements to show none (110 ms for 40,000).
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
