import { mkdtempSync, rmSync, statSync } from "node:fs";
import { type IncomingHttpHeaders, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, afterEach, expect, it } from "vitest";
import { TEXT } from "../http/answer.ts";
import { PageServer } from "./server.ts";

const directory = mkdtempSync(join(tmpdir(), "portico-page-"));
const socketPath = join(directory, "page.sock");
const logged: string[] = [];
const log = {
  info: () => {},
  warn: (_fields: object, message: string) => void logged.push(message),
};
const clock = { now: () => 0, after: () => () => {} };
const routes = {
  "/": () => ({ status: 200, type: TEXT, body: "hello" }),
  "/broken": () => {
    throw new Error("cannot");
  },
};
const servers: PageServer[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.stop();
});
afterAll(() => rmSync(directory, { recursive: true }));

async function serve(path = socketPath): Promise<void> {
  const server = new PageServer({ where: { socketPath: path }, routes, clock, log });
  servers.push(server);
  await server.start();
}

interface Answered {
  status: number | undefined;
  headers: IncomingHttpHeaders;
  body: string;
}

function ask(path: string, headers = {}, method = "GET"): Promise<Answered> {
  const all = { host: "localhost", ...headers };
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path, method, headers: all }, (response) => {
      text(response).then(
        (body) => resolve({ status: response.statusCode, headers: response.headers, body }),
        reject,
      );
    });
    sent.on("error", reject).end();
  });
}

it("answers on a socket that only its owner opens", async () => {
  await serve();
  expect(statSync(socketPath).mode & 0o777).toBe(0o600);
  const { status, headers, body } = await ask("/");
  expect([status, body]).toEqual([200, "hello"]);
  expect(headers).toMatchObject({
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",
  });
  expect(headers["content-security-policy"]).not.toContain("unsafe");
});

it("sends nothing again that the reader has", async () => {
  await serve();
  const { headers } = await ask("/?whatever");
  const again = await ask("/", { "if-none-match": headers.etag });
  expect([again.status, again.body]).toEqual([304, ""]);
  expect((await ask("/", { "if-none-match": '"other"' })).status).toBe(200);
});

it("refuses everything else, with the same headers", async () => {
  await serve();
  for (const [path, method, host, status] of [
    ["/nothing", "GET", "localhost", 404],
    ["/constructor", "GET", "localhost", 404],
    ["/broken", "GET", "localhost", 500],
    ["/", "POST", "localhost", 405],
    ["/", "GET", "portico.example", 403],
  ] as const) {
    const answer = await ask(path, { host }, method);
    expect(answer.status, path).toBe(status);
    expect(answer.headers["content-security-policy"]).toContain("default-src 'none'");
  }
});

it("says where it cannot listen, and goes on without", async () => {
  await serve(join(directory, "none", "page.sock"));
  expect(logged.join()).toContain(
    `the live page cannot listen on unix:${directory}/none/page.sock`,
  );
});
