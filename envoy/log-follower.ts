// Envoy's log file → its lines, as they are written. Keeps the file short: Envoy appends to it, so
// truncating it is safe.

import { statSync } from "node:fs";
import { open, stat } from "node:fs/promises";

type EnvoyLogLevel = "info" | "warn" | "error";

interface EnvoyLogLine {
  level: EnvoyLogLevel;
  text: string;
}

/** Empties a file that it has read if it is longer. */
const LONGEST_FILE_BYTES = 1024 * 1024;
/** The most to read at once, however much Envoy has written. */
const MOST_READ_BYTES = 16 * LONGEST_FILE_BYTES;

const LEVELS: Readonly<Record<string, EnvoyLogLevel>> = {
  critical: "error",
  error: "error",
  warning: "warn",
  info: "info",
  debug: "info",
  trace: "info",
};

export class LogFollower {
  readonly #path: string;
  #offset = 0;
  #partial = "";

  constructor(path: string) {
    this.#path = path;
  }

  /** Skips what is there: lines that an earlier controller logged, or that are too old. */
  async skip(): Promise<void> {
    this.#offset = await stat(this.#path).then(
      ({ size }) => size,
      () => 0,
    );
  }

  /**
   * Returns lines completed since the last call. None when there is no file yet. Does next to
   * nothing where the file is as long as it was, as it nearly always is.
   */
  async read(): Promise<EnvoyLogLine[]> {
    if (this.#hasNothingNew()) return [];
    const file = await open(this.#path, "r+").catch(() => undefined);
    if (!file) return [];
    try {
      const { size } = await file.stat();
      if (size < this.#offset) this.#offset = 0;
      // Of a burst, only the end.
      this.#offset = Math.max(this.#offset, size - MOST_READ_BYTES);
      const buffer = Buffer.alloc(size - this.#offset);
      const { bytesRead } = await file.read(buffer, 0, buffer.length, this.#offset);
      this.#offset += bytesRead;
      // What Envoy writes between these two statements is lost.
      if (this.#offset > LONGEST_FILE_BYTES && (await file.stat()).size === this.#offset) {
        await file.truncate(0);
        this.#offset = 0;
      }
      return this.#split(buffer.toString("utf8", 0, bytesRead));
    } finally {
      await file.close();
    }
  }

  #hasNothingNew(): boolean {
    try {
      return statSync(this.#path).size === this.#offset;
    } catch {
      return false;
    }
  }

  #split(text: string): EnvoyLogLine[] {
    const lines = (this.#partial + text).split("\n");
    this.#partial = lines.pop() ?? "";
    return lines.filter((line) => line !== "").map(parseLine);
  }
}

/** "[level][logger] message"; a library or a crash wrote anything else. */
function parseLine(line: string): EnvoyLogLine {
  const match = /^\[(\w+)\]\[(\w+)\] (.*)$/.exec(line);
  const level = match && LEVELS[match[1] as string];
  if (!match || !level) return { level: "warn", text: line };
  return { level, text: `${match[2]}: ${match[3]}` };
}
