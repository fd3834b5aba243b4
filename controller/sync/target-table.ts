// Frontends as they change → the table that Envoy should have, within its limits: one entry for
// each frontend, and a second for the local list of one that has it; both of them or none. What
// goes over a limit is left out whole, named, and taken in as soon as there is room; a frontend
// that grows over a limit keeps its last good records.

import { MAX_FRONTENDS } from "../../plugin/wire/layout.ts";
import type { Problem } from "../model/types.ts";
import type { CaptureSet, Frontend, FrontendKey } from "../node/types.ts";
import { recordFromFrontend } from "../wire/encode.ts";
import { type BackendList, keyBytesFromFrontend, type RecordKey, recordKey } from "../wire/key.ts";
import type { TableEntry } from "./plan.ts";

export class TargetTable {
  readonly entries = new Map<RecordKey, TableEntry>();
  readonly #maxFrontends: number;
  /** Frontends whose present form is not in the table, and why. */
  readonly #rejected = new Map<FrontendKey, { frontend: Frontend; problem: Problem }>();

  constructor(maxFrontends: number = MAX_FRONTENDS) {
    this.#maxFrontends = maxFrontends;
  }

  /** Takes in a change of the node view; returns the keys whose entries may differ now. */
  apply(upserted: readonly Frontend[], removed: readonly FrontendKey[]): RecordKey[] {
    for (const key of removed) {
      for (const name of recordKeys(key)) this.entries.delete(name);
      this.#rejected.delete(key);
    }
    const waiting = [...this.#rejected.values()].map(({ frontend }) => frontend);
    const again = waiting.filter((frontend) => this.#lacksEntry(frontend) && this.#hasRoom(1));
    const changed = [...upserted, ...again];
    for (const frontend of changed) this.#put(frontend);
    return [...removed, ...changed.map(({ key }) => key)].flatMap(recordKeys);
  }

  problems(): Problem[] {
    return [...this.#rejected.values()].map(({ problem }) => problem);
  }

  /** The same set without handing over what the table cannot serve: that is refused. */
  captureWithinLimits(set: CaptureSet): CaptureSet {
    const rejected = [...this.#rejected.values()].map(({ frontend }) => frontend);
    const absent = rejected.filter((frontend) => this.#lacksEntry(frontend));
    if (absent.length === 0) return set;
    const verdicts = new Map(set.verdicts);
    for (const { key } of absent) if (verdicts.has(key)) verdicts.set(key, "refuse");
    return { ...set, verdicts };
  }

  /** Whether a list that the kernel would hand connections over to is not in the table. */
  #lacksEntry({ key, verdict }: Frontend): boolean {
    if (!this.entries.has(key)) return true;
    return verdict === "local" && !this.entries.has(recordKey(key, "local"));
  }

  #hasRoom(count: number): boolean {
    return this.entries.size + count <= this.#maxFrontends;
  }

  #put(frontend: Frontend): void {
    const { key } = frontend;
    const { entries, problem } = entriesOf(frontend);
    if (!entries) {
      this.#rejected.set(key, { frontend, problem });
      return;
    }
    const added = [...entries.keys()].filter((name) => !this.entries.has(name)).length;
    if (added > 0 && !this.#hasRoom(added)) {
      this.#rejected.set(key, { frontend, problem: tooMany(frontend, this.#maxFrontends) });
      return;
    }
    this.#rejected.delete(key);
    for (const name of recordKeys(key)) {
      const entry = entries.get(name);
      if (entry) this.entries.set(name, entry);
      else this.entries.delete(name);
    }
  }
}

/** Of its cluster list, and of its local list if it has one. */
function recordKeys(key: FrontendKey): RecordKey[] {
  return [recordKey(key, "cluster"), recordKey(key, "local")];
}

type Entries =
  | { entries: Map<RecordKey, TableEntry>; problem?: undefined }
  | { entries?: undefined; problem: Problem };

function entriesOf(frontend: Frontend): Entries {
  const entries = new Map<RecordKey, TableEntry>();
  const lists: BackendList[] =
    frontend.localBackends.length > 0 ? ["cluster", "local"] : ["cluster"];
  for (const list of lists) {
    const { record, problem } = recordFromFrontend(frontend, list);
    if (!record) return { problem };
    const { length: backendCount } = list === "local" ? frontend.localBackends : frontend.backends;
    const key = keyBytesFromFrontend(frontend, list);
    entries.set(recordKey(frontend.key, list), { key, record, backendCount });
  }
  return { entries };
}

function tooMany({ key, namespace, service }: Frontend, most: number): Problem {
  const message =
    `${key}: the table holds MAX_FRONTENDS (${most}) frontends already; this one is refused ` +
    "until there is room: remove Services, or node ports that nobody needs";
  return { object: `Service ${namespace}/${service}`, message };
}
