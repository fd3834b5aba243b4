// Programs of the node that fail or are slow when they are asked to: a folder that comes first on
// the controller's PATH, with a script for each of them that does as a file next to it says. What
// it then executes has the name by which the script was called: the kernel says with each change of
// nftables which program made it, and Portico tells its own by that.

import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { OWN_NFT } from "../../controller/capture/named-nft.ts";

export type WrapperMode = "well" | "fail" | "slow";
export const WRAPPED = ["nft", "ip"] as const;
export type Wrapped = (typeof WRAPPED)[number];

const NAMES: Record<Wrapped, readonly string[]> = { nft: ["nft", OWN_NFT], ip: ["ip"] };

const SLOW_SECONDS = 1;

export class Wrappers {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
    const wrapped = join(directory, "wrapped");
    mkdirSync(wrapped, { recursive: true });
    for (const program of WRAPPED) {
      this.set(program, "well");
      const found = execFileSync("sh", ["-c", `command -v ${program}`], {
        encoding: "utf8",
      }).trim();
      for (const name of NAMES[program]) symlinkSync(found, join(wrapped, name));
      writeFileSync(join(directory, program), script(this.#modeFile(program), program, wrapped));
      chmodSync(join(directory, program), 0o755);
    }
  }

  set(program: Wrapped, mode: WrapperMode): void {
    writeFileSync(this.#modeFile(program), `${mode}\n`);
  }

  #modeFile(program: Wrapped): string {
    return join(this.directory, `${program}.mode`);
  }
}

function script(modeFile: string, program: Wrapped, wrapped: string): string {
  return `#!/bin/sh
read -r mode < ${modeFile}
case $mode in
fail) echo "${program}: made to fail by the campaign" >&2; exit 1 ;;
slow) sleep ${SLOW_SECONDS} ;;
esac
exec ${wrapped}/"\${0##*/}" "$@"
`;
}
