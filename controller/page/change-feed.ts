// What happened, in words, kept for some minutes and up to a maximum: the live page's change feed.

import type { ObjectKey } from "../model/types.ts";
import type { Clock } from "../system/clock.ts";
import type { Change, Level } from "./page-api.ts";
import type { IndexedService, ServiceChange } from "./service-index.ts";

const KEPT_MS = 15 * 60_000;
const MOST_KEPT = 500;
/** A sync that changes more Services than this is one entry. */
const MOST_OF_ONE_SYNC = 40;
/** How many Services one entry names. */
const MOST_NAMED = 3;

type Said = Pick<Change, "level" | "text">;

export class ChangeFeed {
  readonly #clock: Clock;
  readonly #changes: Change[] = [];
  #lastId = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Returns the newest first, at most `most`; only of `service` if given. */
  latest(most: number, service?: ObjectKey): Change[] {
    this.#forget();
    const wanted =
      service === undefined
        ? this.#changes
        : this.#changes.filter((change) => change.service === service);
    return wanted.slice(-most).reverse();
  }

  /** Adds an entry; about the node itself when `service` is absent. */
  add(level: Level, text: string, service: ObjectKey = ""): void {
    this.#lastId += 1;
    this.#changes.push({ id: this.#lastId, at: this.#clock.now(), level, service, text });
    if (this.#changes.length > MOST_KEPT) this.#forget();
  }

  /** Adds what one sync changed. */
  addSync(changes: readonly ServiceChange[]): void {
    const said = changes.flatMap((change) => {
      const words = whatChanged(change);
      return words ? [{ key: change.key, ...words }] : [];
    });
    if (said.length > MOST_OF_ONE_SYNC) {
      const broken = said.filter(({ level }) => level === "bad").length;
      const consequence = broken === 0 ? "" : `; ${broken} of them now have no backend`;
      this.add(broken > 0 ? "bad" : "good", `${said.length} Services changed${consequence}`);
      return;
    }
    for (const { key, level, text } of said) this.add(level, text, key);
  }

  #forget(): void {
    const oldest = this.#clock.now() - KEPT_MS;
    const tooMany = this.#changes.length - MOST_KEPT;
    const young = this.#changes.findIndex(({ at }) => at >= oldest);
    const old = young === -1 ? this.#changes.length : young;
    this.#changes.splice(0, Math.max(old, tooMany));
  }
}

/** Returns undefined when nothing visible to operators differs. */
function whatChanged({ before, after }: ServiceChange): Said | undefined {
  if (!before && !after) return undefined;
  if (!before) return { level: levelOf(after), text: `appeared, ${withBackends(after)}` };
  if (!after) return { level: "warn", text: "is gone" };
  const parts = [
    ...difference("backend", [...before.backends.keys()], [...after.backends.keys()]),
    ...difference("frontend", frontendsOf(before), frontendsOf(after)),
  ];
  if (after.health !== before.health) parts.push(HEALTH_WORDS[after.health]);
  if (parts.length === 0) parts.push("its settings changed");
  return { level: levelOf(after), text: parts.join("; ") };
}

const HEALTH_WORDS = {
  serving: "every frontend has a backend again",
  partly: "some frontends have no backend now",
  refusing: "it has no backend now: connections fail",
} as const;

function levelOf(after: IndexedService | undefined): Level {
  if (after?.health === "refusing") return "bad";
  return after?.health === "partly" ? "warn" : "good";
}

function withBackends(service: IndexedService | undefined): string {
  const count = service?.backends.size ?? 0;
  return count === 0
    ? "without a backend"
    : `with ${count} ${count === 1 ? "backend" : "backends"}`;
}

function frontendsOf({ frontends }: IndexedService): string[] {
  return frontends.map(({ key }) => key);
}

/** "backend A, B joined", "backend C left". */
function difference(what: string, before: readonly string[], after: readonly string[]): string[] {
  const then = new Set(before);
  const now = new Set(after);
  const added = after.filter((each) => !then.has(each));
  const gone = before.filter((each) => !now.has(each));
  const say = (list: readonly string[], verb: string) =>
    list.length === 0 ? [] : [`${what}${list.length > 1 ? "s" : ""} ${named(list)} ${verb}`];
  return [...say(added, "joined"), ...say(gone, "left")];
}

function named(list: readonly string[]): string {
  const shown = list.slice(0, MOST_NAMED).join(", ");
  const more = list.length - MOST_NAMED;
  return more > 0 ? `${shown} and ${more} more` : shown;
}
