// How commands print: columns for operators, JSON for programs; and what happens when they cannot
// write.

/** What a shell reports for a program that SIGPIPE ended, as for kubectl. */
const ENDED_BY_SIGPIPE = 141;

/**
 * Ends the command quietly when the reader of its output is gone (`portico services | head`), and
 * with a line on stderr when the output cannot be written for another reason, such as a full disk.
 * Continues where stderr cannot be written: the exit code says how a command ended, and a
 * controller whose log has no reader still serves (Node writes its own warnings there).
 */
export function endWhenOutputFails(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(ENDED_BY_SIGPIPE);
    process.stderr.write(`portico: the output could not be written: ${error.message}\n`);
    process.exit(1);
  });
  process.stderr.on("error", () => {});
}

/** Rows of equal length → aligned columns; the first row is the heading. Empty cells print "-". */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, cell] of row.entries()) {
      widths[index] = Math.max(widths[index] ?? 1, cell.length);
    }
  }
  const line = (row: readonly string[]) =>
    row.map((cell, index) => (cell || "-").padEnd(widths[index] ?? 0)).join("   ");
  return rows.map((row) => `${line(row).trimEnd()}\n`).join("");
}
