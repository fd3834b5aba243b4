// A line of `ip -N monitor label rule route address link` → what changed. Pure.

/** What of routing changed. */
export interface IpChange {
  kind: "rule" | "route" | "address" | "link";
  isRemoval: boolean;
  /** As ip prints it, with numbers for names; one line, without what says that it was removed. */
  text: string;
}

const KINDS = { RULE: "rule", ROUTE: "route", ADDR: "address", LINK: "link" } as const;

/** Undefined for lines that go on with an earlier one, and for all others that say nothing. */
export function ipChangeFrom(line: string): IpChange | undefined {
  const [, label, removal, text] = /^\[(RULE|ROUTE|ADDR|LINK)\](Deleted )?(.*)$/.exec(line) ?? [];
  if (label === undefined || text === undefined) return undefined;
  const kind = KINDS[label as keyof typeof KINDS];
  return { kind, isRemoval: removal !== undefined, text: text.replace(/\s+/g, " ").trim() };
}
