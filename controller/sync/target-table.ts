// Frontends as they change → the table that Envoy should have, within its limits: one entry for
// each frontend, and a second for its local list if it has one; both or none. A frontend over a
// limit is left out completely, reported, and included as soon as there is room; one that grows
// over a limit keeps its last good records.

import { MAX_FRONTENDS } from "../../plugin/wire/layout.ts";
import type { FunctionChoice, Problem } from "../model/types.ts";
import type { Backend, Frontend, FrontendKey } from "../node/types.ts";
import { recordFromFrontend } from "../wire/encode.ts";
import { type BackendList, type RecordKey, recordKey } from "../wire/key.ts";
import type { FunctionFrontend } from "../xds/function-chains.ts";
import { RecordEntry, type TableEntry } from "./plan.ts";

/** What a change of the node view may have changed. */
export interface TargetTableChange {
  records: RecordKey[];
  /** Frontends that entered or left `leftOut`. */
  leftOut: FrontendKey[];
  /** The problem of a frontend; undefined when it has none any more. */
  problems: Map<FrontendKey, Problem | undefined>;
}

interface Rejection {
  frontend: Frontend;
  problem: Problem;
  /** It would be in the table if that had more room. */
  needsRoom: boolean;
}

/** Returns the slot of a function that is in service; undefined: balancing applies. */
export type SlotOf = (choice: FunctionChoice) => number | undefined;

export class TargetTable {
  readonly #entries = new Map<RecordKey, TableEntry>();
  readonly #maxFrontends: number;
  /** Frontends whose present form is not in the table, and why. */
  readonly #rejected = new Map<FrontendKey, Rejection>();
  readonly #leftOut = new Set<FrontendKey>();
  #backends = 0;
  readonly #slotOf: SlotOf;
  readonly #functionFrontends = new Map<FrontendKey, FunctionFrontend>();
  #functionList: readonly FunctionFrontend[] | undefined;
  /** Whether entries went since all that need room were tried. */
  #hasNewRoom = false;
  #change = noChange();
  /** Records of the change under way, by their lists. */
  readonly #made = new Map<readonly Backend[], Uint8Array>();

  constructor(maxFrontends: number = MAX_FRONTENDS, slotOf: SlotOf = () => undefined) {
    this.#maxFrontends = maxFrontends;
    this.#slotOf = slotOf;
  }

  /** Where connections come in for which a function picks; another list when that changes. */
  get functionFrontends(): readonly FunctionFrontend[] {
    this.#functionList ??= [...this.#functionFrontends.values()];
    return this.#functionList;
  }

  /** Always the same map. */
  get entries(): ReadonlyMap<RecordKey, TableEntry> {
    return this.#entries;
  }

  /** Of all entries: a backend counts in each list that has it. */
  get backends(): number {
    return this.#backends;
  }

  /** Frontends that the table cannot serve; always the same set. */
  get leftOut(): ReadonlySet<FrontendKey> {
    return this.#leftOut;
  }

  /** Returns all present problems. */
  problems(): Problem[] {
    return [...this.#rejected.values()].map(({ problem }) => problem);
  }

  /**
   * Applies a change of the node view. Costs what that has, and what waits for room where there is
   * more than before.
   */
  apply(upserted: readonly Frontend[], removed: readonly FrontendKey[]): TargetTableChange {
    for (const key of removed) this.#remove(key);
    for (const frontend of upserted) this.#put(frontend);
    if (this.#hasNewRoom) this.#tryAgain();
    this.#made.clear();
    const change = this.#change;
    this.#change = noChange();
    return change;
  }

  #remove(key: FrontendKey): void {
    for (const name of recordKeys(key)) this.#set(name, undefined);
    this.#noteFunction(key, undefined);
    this.#noteRejection(key, undefined);
  }

  #noteFunction(key: FrontendKey, frontend: FunctionFrontend | undefined): void {
    if (!frontend && !this.#functionFrontends.delete(key)) return;
    if (frontend && this.#functionFrontends.has(key)) return;
    if (frontend) this.#functionFrontends.set(key, frontend);
    this.#functionList = undefined;
  }

  #put(frontend: Frontend): void {
    const { key, address, port, settings } = frontend;
    const isTCP = frontend.protocol === "TCP";
    const slot = settings.pick && isTCP ? this.#slotOf(settings.pick) : undefined;
    const { entries, problem } = entriesOf(frontend, this.#made, slot);
    if (!entries) {
      this.#noteRejection(key, { frontend, problem, needsRoom: false });
      return;
    }
    const added = [...entries.keys()].filter((name) => !this.#entries.has(name)).length;
    if (added > 0 && this.#entries.size + added > this.#maxFrontends) {
      const full = tooMany(frontend, this.#maxFrontends);
      this.#noteRejection(key, { frontend, problem: full, needsRoom: true });
      return;
    }
    for (const name of recordKeys(key)) this.#set(name, entries.get(name));
    this.#noteFunction(key, slot === undefined ? undefined : { address, port });
    this.#noteRejection(key, undefined);
  }

  #tryAgain(): void {
    this.#hasNewRoom = false;
    for (const { frontend, needsRoom } of [...this.#rejected.values()]) {
      if (needsRoom && this.#entries.size < this.#maxFrontends) this.#put(frontend);
    }
  }

  #set(name: RecordKey, entry: TableEntry | undefined): void {
    const before = this.#entries.get(name);
    this.#change.records.push(name);
    this.#backends += (entry?.backendCount ?? 0) - (before?.backendCount ?? 0);
    if (entry) this.#entries.set(name, entry);
    else if (this.#entries.delete(name)) this.#hasNewRoom = true;
  }

  /** Call it once its entries are as they stay. */
  #noteRejection(key: FrontendKey, rejection: Rejection | undefined): void {
    const before = this.#rejected.get(key);
    if (!before && !rejection) return;
    if (rejection) this.#rejected.set(key, rejection);
    else this.#rejected.delete(key);
    this.#change.problems.set(key, rejection?.problem);
    const isLeftOut = rejection !== undefined && this.#lacksEntry(rejection.frontend);
    if (isLeftOut === this.#leftOut.has(key)) return;
    if (isLeftOut) this.#leftOut.add(key);
    else this.#leftOut.delete(key);
    this.#change.leftOut.push(key);
  }

  /** Reports whether a list that the kernel would use is missing from the table. */
  #lacksEntry({ key, verdict }: Frontend): boolean {
    if (!this.#entries.has(key)) return true;
    return verdict === "local" && !this.#entries.has(recordKey(key, "local"));
  }
}

function noChange(): TargetTableChange {
  return { records: [], leftOut: [], problems: new Map() };
}

/** Returns the keys of its cluster list, and of its local list if it has one. */
function recordKeys(key: FrontendKey): RecordKey[] {
  return [recordKey(key, "cluster"), recordKey(key, "local")];
}

type Entries =
  | { entries: Map<RecordKey, TableEntry>; problem?: undefined }
  | { entries?: undefined; problem: Problem };

function entriesOf(
  frontend: Frontend,
  made: Map<readonly Backend[], Uint8Array>,
  slot: number | undefined,
): Entries {
  const entries = new Map<RecordKey, TableEntry>();
  const lists: BackendList[] =
    frontend.localBackends.length > 0 ? ["cluster", "local"] : ["cluster"];
  for (const list of lists) {
    const { record, problem } = recordFromFrontend(frontend, list, made, slot);
    if (!record) return { problem };
    const { length: backendCount } = list === "local" ? frontend.localBackends : frontend.backends;
    entries.set(recordKey(frontend.key, list), new RecordEntry(record, backendCount));
  }
  return { entries };
}

function tooMany({ key, namespace, service }: Frontend, most: number): Problem {
  const message =
    `${key}: the table is full, at MAX_FRONTENDS (${most}), so this frontend is refused; ` +
    "remove Services, or unused node ports";
  return { object: `Service ${namespace}/${service}`, message };
}
