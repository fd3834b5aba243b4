import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { OWN_NFT, withNamedNft } from "./named-nft.ts";

let directory: string;
let executed: string[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "portico-nft-"));
  for (const name of ["first", "second", "run"]) mkdirSync(join(directory, name));
  vi.stubEnv("PATH", ["first", "second"].map((name) => join(directory, name)).join(":"));
  executed = [];
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

async function execute(program: string, runDirectory = join(directory, "run")): Promise<void> {
  const run = withNamedNft(runDirectory, async (name) => {
    executed.push(name);
    return { code: 0, stdout: "", stderr: "" };
  });
  await run(program, [], "");
}

function install(folder: string): string {
  const file = join(directory, folder, "nft");
  writeFileSync(file, "");
  chmodSync(file, 0o755);
  return file;
}

it("executes the nft of the path under its own name, also when that moves", async () => {
  const link = join(directory, "run", OWN_NFT);
  const second = install("second");
  await execute("nft");
  expect(executed).toEqual([link]);
  expect(realpathSync(link)).toBe(second);
  const first = install("first");
  await execute("nft");
  expect(realpathSync(link)).toBe(first);
});

it("makes its link where a process with the same pid was killed before it had", async () => {
  const link = join(directory, "run", OWN_NFT);
  symlinkSync("/nowhere/nft", `${link}.${process.pid}`);
  const nft = install("first");
  await execute("nft");
  expect(executed).toEqual([link]);
  expect(realpathSync(link)).toBe(nft);
});

it("executes all else, and an nft that is nowhere, as they are", async () => {
  await execute("ip");
  await execute("nft");
  expect(executed).toEqual(["ip", "nft"]);
});

it("executes nft under its usual name where no link can be made", async () => {
  install("first");
  await execute("nft", join(directory, "nowhere"));
  expect(executed).toEqual(["nft"]);
});

it("has a name that the kernel does not cut", () => {
  expect(OWN_NFT.length).toBeLessThan(16);
});
