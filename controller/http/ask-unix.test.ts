import { mkdtempSync, rmSync } from "node:fs";
import { Agent, createServer as createHttpServer } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { listen } from "../system/listen.ts";
import { askUnix } from "./ask-unix.ts";

const PARTIAL = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf of";
const WHOLE = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole";

let directory: string;
let socketPath: string;
let server: Server | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "portico-ask-"));
  socketPath = join(directory, "a.sock");
});
afterEach(() => {
  server?.close();
  rmSync(directory, { recursive: true });
});

/** Calls `react` for each request, numbered from 1 across connections. */
async function serve(react: (connection: Socket, count: number) => void): Promise<void> {
  let count = 0;
  server = createServer((connection) => {
    connection.on("error", () => {});
    connection.on("data", () => react(connection, ++count));
  });
  await listen(server, { path: socketPath });
}

it("resolves to status and bytes, whatever they are", async () => {
  server = createHttpServer(async (request, response) => {
    const sent = Buffer.concat(await request.toArray());
    response.writeHead(503);
    response.end(`${request.method} ${request.url} ${request.headers["content-length"]} ${sent}`);
  });
  await listen(server, { path: socketPath });
  const asked = { socketPath, path: "/a?b=c", timeoutMs: 10_000, method: "POST" } as const;
  const { status, body } = await askUnix({ ...asked, body: Buffer.from("xyz") });
  expect([status, body.toString()]).toEqual([503, "POST /a?b=c 3 xyz"]);
  const empty = await askUnix({ ...asked, body: new Uint8Array() });
  expect(empty.body.toString()).toBe("POST /a?b=c 0 ");
  const plain = await askUnix({ socketPath, path: "/", timeoutMs: 10_000 });
  expect(plain.body.toString()).toBe("GET / undefined ");
});

it("rejects with the socket's error where no process listens", async () => {
  const asked = askUnix({ socketPath, path: "/", timeoutMs: 10_000 });
  await expect(asked).rejects.toMatchObject({ code: "ENOENT" });
});

it("waits no longer than its time-out, for the first byte or for the last", async () => {
  for (const begun of ["", PARTIAL]) {
    await serve((connection) => void connection.write(begun));
    const asked = askUnix({ socketPath, path: "/", timeoutMs: 50 });
    await expect(asked).rejects.toMatchObject({ name: "TimeoutError" });
    server?.close();
    rmSync(socketPath, { force: true });
  }
});

it("distinguishes an end in the middle of the answer from one before it", async () => {
  await serve((connection, count) => connection.end(count === 1 ? PARTIAL : ""));
  const asked = { socketPath, path: "/", timeoutMs: 10_000 };
  await expect(askUnix(asked)).rejects.toMatchObject({ name: "CutOffError", message: "aborted" });
  await expect(askUnix(asked)).rejects.toMatchObject({ code: "ECONNRESET" });
});

it("rejects what does not speak HTTP", async () => {
  await serve((connection) => void connection.end("220 mail.example.com ESMTP\r\n"));
  const asked = askUnix({ socketPath, path: "/", timeoutMs: 10_000 });
  await expect(asked).rejects.toMatchObject({ code: expect.stringMatching(/^HPE_/) });
});

it("sends again what met a kept connection that was closed, for those who keep them", async () => {
  // The second request goes to the kept connection, which ends; the third to another.
  await serve((connection, count) => {
    if (count === 2) connection.destroy();
    else connection.write(WHOLE);
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const asked = { socketPath, path: "/", timeoutMs: 10_000, agent };
  expect((await askUnix(asked)).body.toString()).toBe("whole");
  expect((await askUnix(asked)).body.toString()).toBe("whole");
  agent.destroy();
});

it("sends nothing twice on Node's own agent", async () => {
  let requests = 0;
  await serve((connection, count) => {
    requests = count;
    if (count === 2) connection.destroy();
    else connection.write(WHOLE);
  });
  const asked = { socketPath, path: "/", timeoutMs: 10_000 };
  expect((await askUnix(asked)).body.toString()).toBe("whole");
  await expect(askUnix(asked)).rejects.toMatchObject({ code: "ECONNRESET" });
  expect(requests).toBe(2);
});
