// What the system says when this process has no descriptor left, or the machine none. It says
// nothing of the file, program or socket that was asked for: what is there must not be taken for
// gone, nor what lives for dead.

const CODES = ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"];

export function isShortage(error: unknown): boolean {
  return CODES.includes((error as NodeJS.ErrnoException).code ?? "");
}

/** For `catch`: `fallback` in the place of what is not there; throws on when we are short. */
export function unlessShort<T>(fallback: T): (error: unknown) => T {
  return (error) => {
    if (isShortage(error)) throw error;
    return fallback;
  };
}
