// What can go wrong between the controller and the table in Envoy.

/**
 * unreachable: no answer, or none in time; retry, and ask for the version first. conflict: the
 * table is of another version (`present`); push a snapshot. refused: the plugin does not take
 * these bytes, a bug or another wire version. limit: the table would go over a named limit.
 */
export type TableErrorCode = "unreachable" | "conflict" | "refused" | "limit";

export class TableError extends Error {
  override readonly name = "TableError";
  readonly code: TableErrorCode;
  /** Version that the table has; only with "conflict". */
  readonly present: number | undefined;

  constructor(code: TableErrorCode, message: string, present?: number) {
    super(message);
    this.code = code;
    this.present = present;
  }
}
