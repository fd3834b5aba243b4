import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { isAnswering, listenOnUnixSocket, SocketInUseError } from "./unix-socket.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "portico-socket-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Leaves a socket file whose owner was killed before it could remove it. */
function leaveStaleSocket(path: string): void {
  const program =
    "require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 9))";
  try {
    execFileSync(process.execPath, ["-e", program, path]);
  } catch {
    // The signal ended it, as it should.
  }
}

it("listens for its own user only", async () => {
  const path = join(directory, "a.sock");
  const server = createServer();
  await listenOnUnixSocket(server, path);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  server.close();
});

it("listens for the group that may write into the directory, and never for others", async () => {
  chmodSync(directory, 0o777);
  const path = join(directory, "a.sock");
  const server = createServer();
  await listenOnUnixSocket(server, path);
  expect(statSync(path).mode & 0o777).toBe(0o660);
  server.close();
});

it("takes the place of a socket whose owner was killed", async () => {
  const path = join(directory, "a.sock");
  leaveStaleSocket(path);
  expect(statSync(path).isSocket()).toBe(true);
  const server = createServer();
  await listenOnUnixSocket(server, path);
  expect(server.listening).toBe(true);
  server.close();
});

it("takes the place of a plain file", async () => {
  const path = join(directory, "a.sock");
  writeFileSync(path, "");
  const server = createServer();
  await listenOnUnixSocket(server, path);
  expect(await isAnswering(path)).toBe(true);
  server.close();
});

it("leaves a living owner alone and names the path", async () => {
  const path = join(directory, "a.sock");
  const owner = createServer();
  await listenOnUnixSocket(owner, path);
  const refused = listenOnUnixSocket(createServer(), path);
  await expect(refused).rejects.toThrow(SocketInUseError);
  await expect(refused).rejects.toThrow(path);
  owner.close();
});
