import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { bootstrapCommand } from "./bootstrap.ts";

const directory = mkdtempSync(join(tmpdir(), "portico-bootstrap-"));
afterAll(() => rmSync(directory, { recursive: true }));

async function write(...more: string[]): Promise<string> {
  const output = join(directory, "envoy.yaml");
  const args = ["--run-dir", directory, "--node-name", "node-7", "--output", output, ...more];
  await bootstrapCommand().parseAsync(args, { from: "user" });
  return readFileSync(output, "utf8");
}

it("writes what an Envoy of this run directory needs", async () => {
  const { node, admin } = JSON.parse(await write());
  expect(node.id).toBe("node-7");
  expect(admin.address.pipe).toEqual({ path: join(directory, "admin.sock"), mode: 0o600 });
  expect(readdirSync(directory)).toEqual(["envoy.yaml"]);
});

it("lets a group that shares the directory use Envoy's sockets", async () => {
  chmodSync(directory, 0o2770);
  expect(JSON.parse(await write()).admin.address.pipe.mode).toBe(0o660);
});

it("makes the folder of one of two Envoys, for the same users", async () => {
  const { admin } = JSON.parse(await write("--slot", "b"));
  expect(admin.address.pipe).toEqual({ path: join(directory, "b/admin.sock"), mode: 0o660 });
  expect(statSync(join(directory, "b")).mode & 0o7777).toBe(0o2770);
});

it("takes the number of connections that somebody gives", async () => {
  expect(await write("--max-connections", "4321")).toContain(
    '"max_active_downstream_connections": 4321',
  );
});

it("has Envoy end itself when it hangs, where that is asked for", async () => {
  expect(await write()).not.toContain("watchdog");
  expect(await write("--hung-after", "1m")).toContain('"kill_timeout": "60s"');
});

it("names a run directory that is not there", async () => {
  const command = bootstrapCommand().parseAsync(["--run-dir", "/nowhere/at/all"], { from: "user" });
  await expect(command).rejects.toThrow(
    /\/nowhere\/at\/all.*create the run directory first, or set another --run-dir/,
  );
});
