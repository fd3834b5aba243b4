// Why a function is refused. A refusal is an outcome of checking somebody's code, so link() returns
// it; inside the linker it is thrown up to there.

export interface Refusal {
  /** What is wrong, and what to write instead where that is known. */
  readonly reason: string;
  /** "pick.ts:9" by the source map; undefined where no line is to blame, or without a map. */
  readonly line: string | undefined;
}

/** Thrown within the linker only. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
  /** Offset in the function's module; undefined where no instruction is to blame. */
  readonly place: number | undefined;

  constructor(reason: string, place?: number) {
    super(reason);
    this.place = place;
  }
}

/** Throws RefusedError. */
export function refuse(reason: string, place?: number): never {
  throw new RefusedError(reason, place);
}
