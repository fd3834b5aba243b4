// What can fail between the controller and the table in Envoy.

/**
 * unreachable: no answer, or none in time; retry, and ask for the version first. conflict: the
 * table has another version (`present`); push a snapshot. refused: the plugin rejects these bytes:
 * a bug or another wire version. limit: the table would exceed a named limit.
 */
type TableErrorCode = "unreachable" | "conflict" | "refused" | "limit";

export class TableError extends Error {
  override readonly name = "TableError";
  readonly code: TableErrorCode;
  /** The table's version; only with "conflict". */
  readonly present: number | undefined;

  constructor(code: TableErrorCode, message: string, present?: number) {
    super(message);
    this.code = code;
    this.present = present;
  }
}
