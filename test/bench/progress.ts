// What a bench is at, told to somebody who waits; results go to standard output.

export function progress(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}
