// How nft and ip fail. Every failure may be temporary: callers try again later.

/**
 * missing: the program is not installed, or not on PATH; permission: it is, but the kernel does not
 * allow it (no CAP_NET_ADMIN); refused: nft, ip or the kernel rejects the commands.
 */
type KernelErrorCode = "missing" | "permission" | "refused";

const HINTS: Record<KernelErrorCode, string> = {
  missing: "install it (Debian: apt install nftables iproute2), or fix PATH",
  permission: "run as root, or give the container the capability NET_ADMIN",
  refused: "see the program's message; Portico retries",
};

// nft 1.0.6 sends a transaction as one message, and may enlarge its socket's buffer for it only
// with rights over the whole machine; without them, some 3,000 frontends fitted (Linux 6.18).
const TOO_LONG_HINT =
  "the rules exceed the socket buffer of a process in its own user namespace: run in the " +
  "machine's user namespace";

function hintFor(code: KernelErrorCode, stderr: string): string {
  return stderr.includes("Message too long") ? TOO_LONG_HINT : HINTS[code];
}

class KernelError extends Error {
  readonly code: KernelErrorCode;
  readonly hint: string;
  /** As the program printed it; empty when it could not be started. */
  readonly stderr: string;

  constructor(program: string, code: KernelErrorCode, stderr: string) {
    const said = stderr.trim().split("\n")[0] ?? "";
    const hint = hintFor(code, stderr);
    super(`${program}: ${code}${said === "" ? "" : `: ${said}`} (${hint})`);
    this.code = code;
    this.hint = hint;
    this.stderr = stderr;
  }
}

export class NftError extends KernelError {
  override readonly name = "NftError";
  /** The first line of the script that nft complained about; undefined when it named none. */
  readonly scriptLine: string | undefined;

  constructor(code: KernelErrorCode, stderr: string, script: string) {
    super("nft", code, stderr);
    const lineNumber = /^[^\s:]+:(\d+):/m.exec(stderr)?.[1];
    this.scriptLine = lineNumber && script.split("\n")[Number(lineNumber) - 1]?.trim();
  }
}

export class RoutingError extends KernelError {
  override readonly name = "RoutingError";

  constructor(code: KernelErrorCode, stderr: string) {
    super("ip", code, stderr);
  }
}

/** Returns the code for a program that ran and failed. */
export function codeFrom(stderr: string): KernelErrorCode {
  return /not permitted|permission denied|must be root/i.test(stderr) ? "permission" : "refused";
}
