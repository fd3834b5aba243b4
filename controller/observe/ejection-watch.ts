// Which backends the active Envoy's plugin has ejected → figures for metrics, and a problem of each
// Service whose backend has been failing for long: it is ready, or it would not be in the list, and
// does not accept. Asks every few seconds.

import { addressAndPort } from "../model/ip.ts";
import { BACKEND_EJECTED, type Problem } from "../model/types.ts";
import type { Frontend } from "../node/types.ts";
import type { Clock } from "../system/clock.ts";
import { repeat } from "../system/repeat.ts";
import type { Ejection } from "../wire/ejected.ts";
import { ejectedOf, reasonText } from "../wire/ejection-list.ts";

const EVERY_MS = 5_000;
/** An ejection becomes a problem after this many seconds. */
const LASTS_SECONDS = 30;
/** Named in one problem. */
const MOST_NAMED = 3;

/** How many backends are ejected now. */
export interface EjectedNow {
  /** For all clients. */
  forAll: number;
  /** For some client alone, and not for all. */
  forOneClient: number;
}

interface EjectionWatchOptions {
  clock: Clock;
  /** Of the active Envoy; undefined: its plugin does not eject. */
  ejected: () => Promise<Ejection[] | undefined>;
  /** All of the node view; undefined while it is incomplete. */
  frontends: () => Iterable<Frontend> | undefined;
  report: (problems: Problem[]) => void;
}

export class EjectionWatch {
  readonly #options: EjectionWatchOptions;
  #last: Ejection[] | undefined;

  constructor(options: EjectionWatchOptions) {
    this.#options = options;
  }

  /** What was found last; undefined while the plugin does not answer, or does not eject. */
  get last(): readonly Ejection[] | undefined {
    return this.#last;
  }

  /** The same in numbers. */
  get now(): EjectedNow | undefined {
    return this.#last && ejectedNow(this.#last);
  }

  /** Returns a function that stops it. */
  start(): () => void {
    return repeat(this.#options.clock, EVERY_MS, (ended) => this.#look(ended));
  }

  async #look(ended: AbortSignal): Promise<void> {
    const { ejected, frontends, report } = this.#options;
    this.#last = await ejected().catch(() => undefined);
    const known = frontends();
    // Without an answer, what is known stays.
    if (!ended.aborted && this.#last && known) report(ejectionProblems(this.#last, known));
  }
}

function placeOf({ backend }: Ejection): string {
  return addressAndPort(backend.address, backend.port);
}

function ejectedNow(ejections: readonly Ejection[]): EjectedNow {
  const present = ejections.filter(({ secondsLeft }) => secondsLeft > 0);
  const forAll = new Set(present.filter(({ client }) => client === undefined).map(placeOf));
  const all = new Set(present.map(placeOf));
  return { forAll: forAll.size, forOneClient: all.size - forAll.size };
}

/** Returns one problem for each Service of which a backend has failed for all for 30 s. */
export function ejectionProblems(
  ejections: readonly Ejection[],
  frontends: Iterable<Frontend>,
): Problem[] {
  const lasting = ejections.filter(({ client, secondsSince }) => {
    return client === undefined && secondsSince >= LASTS_SECONDS;
  });
  if (lasting.length === 0) return [];
  const byService = new Map<string, Set<string>>();
  for (const { namespace, service, protocol, settings, backends, localBackends } of frontends) {
    if (protocol !== "TCP") continue;
    const list = { backends: [...backends, ...localBackends], settings };
    for (const [place, ejected] of ejectedOf(list, lasting)) {
      const key = `${namespace}/${service}`;
      const failing = byService.get(key) ?? new Set();
      byService.set(key, failing.add(`${place} (${reasonText(ejected)})`));
    }
  }
  return [...byService].map(([key, failing]) => problemOf(key, [...failing].sort()));
}

/** The sentence stays the same while the same backends fail for the same reason. */
function problemOf(key: string, failing: readonly string[]): Problem {
  const more = failing.length - MOST_NAMED;
  const names = failing.slice(0, MOST_NAMED).join(", ") + (more > 0 ? ` and ${more} more` : "");
  const message =
    `ready endpoints accept no connections from this node for more than ${LASTS_SECONDS} s: ` +
    `${names}; clients are served by the others. Does the Pod listen on that port, and does its ` +
    "readiness probe look at it?";
  return { object: `Service ${key}`, message, reason: BACKEND_EJECTED };
}
