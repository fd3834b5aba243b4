// A line of `ip -N monitor label rule route address link` → what changed. Pure.

/** A change of routing. */
export interface IpChange {
  kind: "rule" | "route" | "address" | "link";
  isRemoval: boolean;
  /** As ip prints it, with numbers for names; one line, without the mark of a removal. */
  text: string;
}

const KINDS = { RULE: "rule", ROUTE: "route", ADDR: "address", LINK: "link" } as const;

/** Returns undefined for lines that continue an earlier one, and for others without a change. */
export function ipChangeFrom(line: string): IpChange | undefined {
  const [, label, removal, text] = /^\[(RULE|ROUTE|ADDR|LINK)\](Deleted )?(.*)$/.exec(line) ?? [];
  if (label === undefined || text === undefined) return undefined;
  const kind = KINDS[label as keyof typeof KINDS];
  return { kind, isRemoval: removal !== undefined, text: text.replace(/\s+/g, " ").trim() };
}
