// What the demo says and finds → lines for a person, and the count of checks for who started it.

import { styleText } from "node:util";

/** One thing that was checked. `expected` and `seen` are for people; `holds` decides. */
interface Check {
  what: string;
  holds: boolean;
  expected: string;
  seen: string;
}

export class Narrator {
  private write: (text: string) => void;
  private readonly colours: boolean;
  private chapters = 0;
  private passed = 0;
  private failed = 0;
  private successor: Narrator | undefined;

  constructor(write: (text: string) => void, colours: boolean) {
    this.write = write;
    this.colours = colours;
  }

  /** Opens a chapter: its title, and what is about to happen in a line or two. */
  chapter(title: string, ...lines: string[]): void {
    this.chapters += 1;
    this.write(`\n${this.style("bold", `${this.chapters}. ${title}`)}\n`);
    for (const line of lines) this.say(line);
  }

  /** A line of the story. */
  say(line: string): void {
    this.write(`   ${line}\n`);
  }

  /** A command as one would type it, and what it printed. */
  terminal(command: string, output: string): void {
    this.write(`   ${this.style("dim", "$")} ${this.style("bold", command)}\n`);
    for (const line of output.trimEnd().split("\n")) {
      this.write(`     ${this.style("dim", line)}\n`);
    }
  }

  /** Prints ✔ with what was seen, or ✘ with what was expected and seen; counts it. */
  check({ what, holds, expected, seen }: Check): void {
    if (holds) {
      this.passed += 1;
      this.write(`   ${this.style("green", "✔")} ${what}: ${seen}\n`);
    } else {
      this.failed += 1;
      this.write(`   ${this.style("red", "✘")} ${what}: expected ${expected}; seen: ${seen}\n`);
    }
  }

  /** The story could not go on. Counts as a failed check; `log` is shown with it. */
  broken(error: unknown, log = ""): void {
    this.failed += 1;
    const message = error instanceof Error ? error.message : String(error);
    this.write(`   ${this.style("red", "✘")} the story ends here: ${message}\n`);
    if (log !== "") this.terminal("tail portico.log", log);
  }

  /** From now on only the returned narrator is heard; it goes on counting from here. */
  handOver(): Narrator {
    const successor = new Narrator(this.write, this.colours);
    successor.chapters = this.chapters;
    successor.passed = this.passed;
    successor.failed = this.failed;
    this.successor = successor;
    this.write = () => {};
    return successor;
  }

  /** The last line of a run; returns whether everything was as told. */
  summary(): boolean {
    if (this.successor !== undefined) return this.successor.summary();
    this.write(`\ndemo: ${this.passed} checks passed, ${this.failed} failed\n`);
    return this.failed === 0;
  }

  private style(format: "bold" | "dim" | "green" | "red", text: string): string {
    return this.colours ? styleText(format, text, { validateStream: false }) : text;
  }
}
