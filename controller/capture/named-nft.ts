// Runs nft under a name of its own. With each change of nftables the kernel reports to watchers
// (`nft monitor`) which process made it, by the name of the executed file: so Portico's changes
// differ from others'. The pid next to the name is the host's, which a process in a container does
// not know.

import { accessSync, constants, readlinkSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { type RunProgram, runProgram } from "./program.ts";

/** The kernel keeps 15 bytes of a process's name. */
export const OWN_NFT = "portico-nft";

/**
 * Executes nft through a link in `directory`, made when needed, and other programs directly. Where
 * no link can be made, nft keeps its own name.
 */
export function withNamedNft(directory: string, run: RunProgram = runProgram): RunProgram {
  return (program, args, input) =>
    run(program === "nft" ? namedNft(directory) : program, args, input);
}

/** Returns the path of that link, or "nft" where no link can be made. */
export function namedNft(directory: string): string {
  return linkToNft(directory) ?? "nft";
}

function linkToNft(directory: string): string | undefined {
  // A link to a path relative to the current folder would lead elsewhere.
  const folders = (process.env.PATH ?? "").split(":").filter(isAbsolute);
  const nft = folders.map((each) => join(each, "nft")).find(isExecutable);
  if (nft === undefined) return undefined;
  const link = join(directory, OWN_NFT);
  const made = `${link}.${process.pid}`;
  try {
    if (targetOf(link) !== nft) {
      // In a container, a process that was killed in between may have had the same pid.
      rmSync(made, { force: true });
      symlinkSync(nft, made);
      renameSync(made, link);
    }
    return link;
  } catch {
    return undefined;
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return "";
  }
}
