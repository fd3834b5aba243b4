// Lines of `nft monitor` → what other processes changed in one table, one transaction at a time. No
// I/O.
//
// nft prints every change of a transaction, and then its number and the process that made it:
//
//    delete element inet portico cluster-ips { 10.96.0.1 }
//    # new generation 27 by process 4711 (nft)
//
// The process has the kernel's name for it, that of the executed file; its pid is the host's, which
// a controller in a container cannot compare with its own.

/** What another process did to the table in one transaction. */
export interface NftChange {
  /** The kernel's name for it: "nft", most of the time. */
  process: string;
  /** In the host's pid namespace. */
  pid: number;
  /** Whether the table, a chain, a rule or a set changed, came or went: not only elements. */
  isStructural: boolean;
  /** False where it may have been Portico: its own name has not been seen yet. */
  isCertain: boolean;
  /** The first few removals, as nft prints them; removedCount has how many there were in all. */
  removed: readonly string[];
  removedCount: number;
  addedCount: number;
}

/** How many removals are named. */
const NAMED_REMOVALS = 3;
const MAX_TEXT = 120;
/** How far apart two monitors can be, in transactions. */
const REMEMBERED = 1_000;

interface NftLinesOptions {
  /** Family and name: "inet portico". */
  table: string;
  /** Transactions of processes with this name are Portico's. */
  ownProcess: string;
  onChange: (change: NftChange) => void;
  /** Called when nft reports lost notifications. */
  onMissed: (why: string) => void;
}

type Transaction = Omit<NftChange, "process" | "pid" | "isCertain">;

/** The lines of all `nft monitor` of one namespace; each has its own reader. */
export class NftLines {
  readonly #options: NftLinesOptions;
  /**
   * Numbers of the last transactions: while one monitor replaces another, both print the same, and
   * the newer one may be ahead.
   */
  readonly #generations = new Set<number>();
  #knowsOwn = false;

  constructor(options: NftLinesOptions) {
    this.#options = options;
  }

  /** Returns a function that takes the lines of one monitor. */
  reader(): (line: string) => void {
    const change = new RegExp(`^(\\w+) (.+?) ${this.#options.table}(?: |$)`);
    let transaction = NOTHING;
    return (line) => {
      if (line.startsWith("# ERROR")) this.#options.onMissed(line.slice(2));
      const [, number, pid, process] = GENERATION.exec(line) ?? [];
      if (process !== undefined) {
        this.#ended(Number(number), { process, pid: Number(pid), ...transaction });
        transaction = NOTHING;
      } else {
        const [, verb, what] = change.exec(line) ?? [];
        if (verb !== undefined) transaction = withChange(transaction, line, verb, what ?? "");
      }
    };
  }

  #ended(generation: number, change: Omit<NftChange, "isCertain">): void {
    if (this.#generations.has(generation)) return;
    this.#generations.add(generation);
    const [oldest] = this.#generations;
    if (this.#generations.size > REMEMBERED && oldest !== undefined) {
      this.#generations.delete(oldest);
    }
    const { ownProcess, onChange } = this.#options;
    if (change.process === ownProcess) this.#knowsOwn = true;
    else if (this.#matters(change)) onChange({ ...change, isCertain: this.#knowsOwn });
  }

  /**
   * Portico's own name never appears where nft is a script that starts another program. Portico
   * changes elements all the time, so they mean nothing there.
   */
  #matters({ isStructural, removedCount, addedCount }: Transaction): boolean {
    return isStructural || (this.#knowsOwn && removedCount + addedCount > 0);
  }
}

function withChange(before: Transaction, line: string, verb: string, what: string): Transaction {
  const isRemoval = verb === "delete" || verb === "destroy";
  const isNamed = isRemoval && before.removed.length < NAMED_REMOVALS;
  return {
    isStructural: before.isStructural || what !== "element",
    removed: isNamed ? [...before.removed, line.slice(0, MAX_TEXT).trim()] : before.removed,
    removedCount: before.removedCount + (isRemoval ? 1 : 0),
    addedCount: before.addedCount + (isRemoval ? 0 : 1),
  };
}

const GENERATION = /^# new generation (\d+) by process (\d+) \((.*)\)$/;

const NOTHING: Transaction = {
  isStructural: false,
  removed: [],
  removedCount: 0,
  addedCount: 0,
};
