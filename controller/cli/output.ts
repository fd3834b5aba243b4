// How commands print: columns for people, JSON for programs.

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
