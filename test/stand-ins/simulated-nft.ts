// The kernel's part of `nft` and `ip` as far as Portico's table needs it: takes scripts as
// capture/ruleset.ts and capture/elements.ts write them, all of one or nothing, and says what the
// table has then. Knows sets and elements; chains are text. There are no links, bridges or routes.

import type { Printed, RunProgram } from "../../controller/capture/program.ts";

const TABLE = "table inet portico";

interface Part {
  /** "set", "map" or "chain". */
  kind: string;
  /** Attributes of a set, rules of a chain, as they are written. */
  lines: readonly string[];
  /** An element's key → its value in a map; undefined in a set. */
  elements: Map<string, string | undefined>;
}

type Table = Map<string, Part>;

class Refused extends Error {}

export class SimulatedNft {
  /** Undefined when there is none. */
  #table: Table | undefined;
  /** Called before and after each script; throws to make nft fail there. */
  fault: () => void = () => {};
  readonly run: RunProgram = async (program, args, input) => {
    if (program !== "nft") return printed("");
    if (args.includes("list")) return printed(this.#table ? listing(this.#table) : "");
    try {
      this.fault();
      this.#apply(input);
      this.fault();
      return printed("");
    } catch (error) {
      return {
        code: 1,
        stdout: "",
        stderr: `/dev/stdin:1:1-1: Error: ${(error as Error).message}`,
      };
    }
  };

  /** Returns the table as capture/ruleset.ts writes it, with sorted elements; "" for none. */
  text(): string {
    if (!this.#table) return "";
    const parts = [...this.#table].flatMap(([name, part]) => textOfPart(name, part, true));
    return `${[`${TABLE} {`, ...parts, "}"].join("\n")}\n`;
  }

  #apply(script: string): void {
    const present = this.#table;
    const transaction = new Transaction(present ?? new Map());
    this.#table = transaction.table;
    try {
      transaction.apply(script.split("\n").filter((line) => line !== ""));
    } catch (error) {
      transaction.undo();
      this.#table = present;
      throw error;
    }
  }
}

/** Changes a table in place, and can undo that: a copy would take time as the table grows. */
class Transaction {
  readonly table: Table;
  readonly #undo: (() => void)[] = [];

  constructor(table: Table) {
    this.table = table;
  }

  apply(lines: string[]): void {
    while (lines.length > 0) this.#applyNext(lines);
  }

  undo(): void {
    for (const each of this.#undo.reverse()) each();
  }

  /** Takes the lines of one command. */
  #applyNext(lines: string[]): void {
    const [verb = "", kind = "", , , name = ""] = (lines[0] as string).split(" ");
    if (lines[0] === `${TABLE} {`) this.#applyBlock(taken(lines, "}"));
    else if (kind === "element") this.#applyElements(verb, name, taken(lines, "}"));
    else this.#applyLine(lines.shift() as string, verb, name);
  }

  #applyLine(line: string, verb: string, name: string): void {
    if (line === TABLE) return;
    if (line === `delete ${TABLE}`) for (const each of [...this.table.keys()]) this.#remove(each);
    else if (line === `flush ${TABLE}`) {
      for (const part of this.table.values()) if (part.kind === "chain") this.#write(part, []);
    } else if (verb === "delete") this.#remove(name);
    else if (verb === "flush") this.#flush(this.#partOf(name));
    else throw new Refused(`syntax error: ${line}`);
  }

  #applyBlock(lines: string[]): void {
    while (lines.length > 0) {
      const [, kind = "", name = ""] = /^ {2}(\w+) (\S+) \{$/.exec(lines[0] as string) ?? [];
      const content = taken(lines, "  }");
      const first = content.indexOf("    elements = {");
      const attributes = first < 0 ? content : content.slice(0, first);
      const part = this.#declared(kind, name);
      // Rules are appended; what declares a set or a chain may be said again.
      const isRule = (line: string) => kind === "chain" && !line.startsWith("    type ");
      const more = attributes.filter((each) => isRule(each) || !part.lines.includes(each));
      this.#write(part, [...part.lines, ...more]);
      if (first >= 0) this.#add(part, content.slice(first + 1, -1));
    }
  }

  #declared(kind: string, name: string): Part {
    const present = this.table.get(name);
    if (present && present.kind !== kind) throw new Refused(`${name} is a ${present.kind}`);
    if (present) return present;
    const part: Part = { kind, lines: [], elements: new Map() };
    this.table.set(name, part);
    this.#undo.push(() => this.table.delete(name));
    return part;
  }

  #partOf(name: string): Part {
    const part = this.table.get(name);
    if (!part) throw new Refused(`No such file or directory: ${name}`);
    return part;
  }

  #remove(name: string): void {
    const part = this.#partOf(name);
    this.table.delete(name);
    this.#undo.push(() => this.table.set(name, part));
  }

  #write(part: Part, lines: readonly string[]): void {
    const { lines: before } = part;
    part.lines = lines;
    this.#undo.push(() => {
      part.lines = before;
    });
  }

  #flush(part: Part): void {
    const { elements: before } = part;
    part.elements = new Map();
    this.#undo.push(() => {
      part.elements = before;
    });
  }

  #applyElements(verb: string, name: string, texts: readonly string[]): void {
    const part = this.#partOf(name);
    if (verb === "add") {
      this.#add(part, texts);
      return;
    }
    for (const text of texts) {
      const [key] = keyAndValue(text);
      if (!part.elements.has(key)) throw new Refused(`No such file or directory: ${text}`);
      const value = part.elements.get(key);
      part.elements.delete(key);
      this.#undo.push(() => part.elements.set(key, value));
    }
  }

  #add({ elements }: Part, texts: readonly string[]): void {
    for (const text of texts) {
      const [key, value] = keyAndValue(text);
      const isThere = elements.has(key);
      if (isThere && elements.get(key) !== value) throw new Refused(`File exists: ${text}`);
      elements.set(key, value);
      if (!isThere) this.#undo.push(() => elements.delete(key));
    }
  }
}

function printed(stdout: string): Printed {
  return { code: 0, stdout, stderr: "" };
}

/** Returns the lines between the first and the one that is `end`, and takes all of them. */
function taken(lines: string[], end: string): string[] {
  const [, ...inside] = lines.splice(0, lines.indexOf(end) + 1);
  return inside.slice(0, -1);
}

/** "  10.96.0.1 . tcp . 80 : goto verdict_keep," */
function keyAndValue(line: string): [key: string, value: string | undefined] {
  const [key = "", value] = line.trim().replace(/,$/, "").split(" : ");
  return [key, value];
}

function textOfPart(
  name: string,
  { kind, lines, elements }: Part,
  withElements: boolean,
): string[] {
  const texts = [...elements].map(([key, value]) =>
    value === undefined ? key : `${key} : ${value}`,
  );
  const listed = ["    elements = {", ...texts.sort().map((text) => `      ${text},`), "    }"];
  return [
    `  ${kind} ${name} {`,
    ...lines,
    ...(withElements && texts.length > 0 ? listed : []),
    "  }",
  ];
}

function listing(table: Table): string {
  const parts = [...table].flatMap(([name, part]) => textOfPart(name, part, false));
  return `${[`${TABLE} {`, ...parts, "}"].join("\n")}\n`;
}
