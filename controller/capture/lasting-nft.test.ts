import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { eventually } from "../../test/eventually.ts";
import { LastingNft } from "./lasting-nft.ts";

const folder = mkdtempSync(join(tmpdir(), "portico-nft-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A program that answers as nft does, to the first question only once `go` exists. */
const SLOW = `#!/bin/sh
echo $$ > ${folder}/pid
while [ ! -e ${folder}/go ]; do sleep 0.05; done
while read -r line; do
  case "$line" in list*) printf 'Error: No such file or directory\\n%s\\n' "$line" >&2 ;; esac
done
`;

it("leaves no nft behind that was still starting when it was ended", async () => {
  const program = join(folder, "nft");
  writeFileSync(program, SLOW);
  chmodSync(program, 0o755);
  const nft = new LastingNft(() => program);
  const change = nft.change("add element inet portico s {\n1\n}\n");
  await eventually("a start", 10_000, async () => existsSync(join(folder, "pid")));
  nft.end();
  writeFileSync(join(folder, "go"), "");
  expect(await change).toBe(false);
  const pid = readFileSync(join(folder, "pid"), "utf8").trim();
  await eventually("its end", 10_000, async () => !existsSync(`/proc/${pid}`));
  // That was no failure: the next change does not wait for a minute.
  expect(await nft.change("add element inet portico s {\n1\n}\n")).toBe(true);
  nft.end();
});
