import { once } from "node:events";
import { type IncomingMessage, type Server, STATUS_CODES } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, expect, it } from "vitest";
import { listen } from "../system/listen.ts";
import { type Answer, JSON_TYPE, TEXT } from "./answer.ts";
import { closeAtOnce, createHttpServer } from "./server.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) closeAtOnce(server);
});

async function serve(
  answer: (request: IncomingMessage) => Answer | Promise<Answer>,
  idleConnectionMs?: number,
): Promise<{ server: Server; port: number; url: string }> {
  const server = createHttpServer(answer, idleConnectionMs);
  servers.push(server);
  await listen(server, { host: "127.0.0.1", port: 0 });
  const { port } = server.address() as AddressInfo;
  return { server, port, url: `http://127.0.0.1:${port}/` };
}

it("sends status, type, length in bytes and headers, and nothing to guess", async () => {
  const headers = { allow: "GET" };
  const { url } = await serve(() => ({ status: 405, type: TEXT, body: "é\n", headers }));
  const response = await fetch(url);
  expect([response.status, response.statusText]).toEqual([405, STATUS_CODES[405]]);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    "content-type": TEXT,
    "content-length": "3",
    "x-content-type-options": "nosniff",
    allow: "GET",
  });
  expect(await response.text()).toBe("é\n");
});

it("lets the answer depend on the request's body", async () => {
  const { url } = await serve(async (request) => {
    return { status: 200, type: JSON_TYPE, body: JSON.stringify(await text(request)) };
  });
  const response = await fetch(url, { method: "PUT", body: "module" });
  expect(await response.json()).toBe("module");
});

it("answers, and goes on with the connection, when a body is not read", async () => {
  const { port } = await serve(() => ({ status: 200, type: TEXT, body: "done\n" }));
  const connection = connect(port, "127.0.0.1");
  const length = 1_000_000;
  const head = `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${length}\r\n\r\n`;
  const last = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
  connection.write(head + "x".repeat(length) + last);
  const answers = await text(connection);
  expect(answers.match(/^HTTP\/1\.1 200 OK/gm)).toHaveLength(2);
});

it("says how long it keeps a connection without a request", async () => {
  const answer = () => ({ status: 200, type: TEXT, body: "" });
  for (const [idleConnectionMs, kept] of [
    [undefined, "timeout=120"],
    [5_000, "timeout=5"],
  ] as const) {
    const { url } = await serve(answer, idleConnectionMs);
    expect((await fetch(url)).headers.get("keep-alive")).toBe(kept);
  }
});

it("frees its address at once when it is closed, open connections or not", async () => {
  const { server, port } = await serve(() => ({ status: 200, type: TEXT, body: "" }));
  const connection = connect(port, "127.0.0.1");
  await once(connection, "connect");
  const ended = once(connection, "close");
  closeAtOnce(server);
  const next = createHttpServer(() => ({ status: 200, type: TEXT, body: "" }));
  servers.push(next);
  await listen(next, { host: "127.0.0.1", port });
  await ended;
  expect(next.listening).toBe(true);
});
