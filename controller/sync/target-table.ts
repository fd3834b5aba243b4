// Frontends as they change → the table that Envoy should have, within its limits. What goes over a
// limit is left out whole, named, and taken in as soon as there is room; a frontend that grows
// over a limit keeps its last good record.

import { MAX_FRONTENDS } from "../../plugin/wire/layout.ts";
import type { Problem } from "../model/types.ts";
import type { CaptureSet, Frontend, FrontendKey } from "../node/types.ts";
import { recordFromFrontend } from "../wire/encode.ts";
import { keyBytesFromFrontend } from "../wire/key.ts";
import type { TableEntry } from "./plan.ts";

export class TargetTable {
  readonly entries = new Map<FrontendKey, TableEntry>();
  readonly #maxFrontends: number;
  /** Frontends whose present form is not in the table, and why. */
  readonly #rejected = new Map<FrontendKey, { frontend: Frontend; problem: Problem }>();

  constructor(maxFrontends: number = MAX_FRONTENDS) {
    this.#maxFrontends = maxFrontends;
  }

  /** Takes in a change of the node view; returns the keys whose entries may differ now. */
  apply(upserted: readonly Frontend[], removed: readonly FrontendKey[]): FrontendKey[] {
    for (const key of removed) {
      this.entries.delete(key);
      this.#rejected.delete(key);
    }
    const waiting = [...this.#rejected.values()].map(({ frontend }) => frontend);
    const again = waiting.filter(({ key }) => !this.entries.has(key) && this.#hasRoom());
    const changed = [...upserted, ...again];
    for (const frontend of changed) this.#put(frontend);
    return [...removed, ...changed.map(({ key }) => key)];
  }

  problems(): Problem[] {
    return [...this.#rejected.values()].map(({ problem }) => problem);
  }

  /** The same set without handing over what the table cannot serve: that is refused. */
  captureWithinLimits(set: CaptureSet): CaptureSet {
    const absent = [...this.#rejected.keys()].filter((key) => !this.entries.has(key));
    if (absent.length === 0) return set;
    const verdicts = new Map(set.verdicts);
    for (const key of absent) if (verdicts.has(key)) verdicts.set(key, "refuse");
    return { ...set, verdicts };
  }

  #hasRoom(): boolean {
    return this.entries.size < this.#maxFrontends;
  }

  #put(frontend: Frontend): void {
    const { key } = frontend;
    const { record, problem } = recordFromFrontend(frontend);
    if (!record) {
      this.#rejected.set(key, { frontend, problem });
    } else if (!this.entries.has(key) && !this.#hasRoom()) {
      this.#rejected.set(key, { frontend, problem: tooMany(frontend, this.#maxFrontends) });
    } else {
      this.#rejected.delete(key);
      const backendCount = frontend.backends.length;
      this.entries.set(key, { key: keyBytesFromFrontend(frontend), record, backendCount });
    }
  }
}

function tooMany({ key, namespace, service }: Frontend, most: number): Problem {
  const message =
    `${key}: the table holds MAX_FRONTENDS (${most}) frontends already; this one is refused ` +
    "until there is room: remove Services, or node ports that nobody needs";
  return { object: `Service ${namespace}/${service}`, message };
}
