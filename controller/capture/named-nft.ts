// Runs nft under a name of its own. The kernel says with each change of nftables which process made
// it, by the name of the file that was executed, and passes that on to those who watch
// (`nft monitor`): so Portico's changes differ from others'. The pid next to the name is the
// host's, which a process in a container does not know of itself.

import { accessSync, constants, readlinkSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { type RunProgram, runProgram } from "./program.ts";

/** The kernel keeps 15 bytes of a process's name. */
export const OWN_NFT = "portico-nft";

/**
 * Executes nft by a link in `directory`, which it makes when it is needed, and everything else as
 * it is. Where no link can be made, nft has its own name.
 */
export function withNamedNft(directory: string, run: RunProgram = runProgram): RunProgram {
  return (program, args, input) => {
    const named = program === "nft" ? namedNft(directory) : undefined;
    return run(named ?? program, args, input);
  };
}

function namedNft(directory: string): string | undefined {
  // A link to a path that begins in the current folder would lead elsewhere.
  const folders = (process.env.PATH ?? "").split(":").filter(isAbsolute);
  const nft = folders.map((each) => join(each, "nft")).find(isExecutable);
  if (nft === undefined) return undefined;
  const link = join(directory, OWN_NFT);
  const made = `${link}.${process.pid}`;
  try {
    if (targetOf(link) !== nft) {
      // In a container, a process that was killed in between had the same pid.
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
