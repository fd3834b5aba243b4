// An nft whose changes Portico takes for its own, and so does not repair at once: for tests that
// look at what is wrong.

import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { OWN_NFT } from "../../controller/capture/named-nft.ts";
import type { Namespace } from "../namespaces/namespace.ts";

/** Returns its path; removeOwnNft() removes it. */
export async function makeOwnNft(where: Namespace): Promise<string> {
  const { stdout } = await where.exec("sh", ["-c", "command -v nft"]);
  const path = join(mkdtempSync(join(tmpdir(), "portico-nft-")), OWN_NFT);
  symlinkSync(stdout.trim(), path);
  return path;
}

export function removeOwnNft(path: string): void {
  rmSync(dirname(path), { recursive: true });
}
