// Programs of the node that fail or are slow when they are asked to: a folder that comes first on
// the controller's PATH, with a script for each of them that does as a file next to it says.

import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export type WrapperMode = "well" | "fail" | "slow";
export const WRAPPED = ["nft", "ip"] as const;
export type Wrapped = (typeof WRAPPED)[number];

const SLOW_SECONDS = 1;

export class Wrappers {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
    mkdirSync(directory);
    for (const program of WRAPPED) {
      this.set(program, "well");
      writeFileSync(join(directory, program), script(this.#modeFile(program), program));
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

function script(modeFile: string, program: Wrapped): string {
  const found = execFileSync("sh", ["-c", `command -v ${program}`], { encoding: "utf8" }).trim();
  return `#!/bin/sh
read -r mode < ${modeFile}
case $mode in
fail) echo "${program}: made to fail by the campaign" >&2; exit 1 ;;
slow) sleep ${SLOW_SECONDS} ;;
esac
exec ${found} "$@"
`;
}
