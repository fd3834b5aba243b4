import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { STATUS_PATH } from "../control/control-api.ts";
import { listen } from "../system/listen.ts";
import { ControlClientError, callController } from "./control-client.ts";

let directory: string;
let socket: string;
let server: Server;
/** What the other end does when it is asked. */
let react: (connection: Socket) => void;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "portico-control-"));
  socket = join(directory, "control.sock");
  server = createServer((connection) => {
    connection.on("error", () => {});
    connection.once("data", () => react(connection));
  });
  await listen(server, { path: socket });
});
afterEach(() => {
  server.close();
  rmSync(directory, { recursive: true });
});

function head(status: string, length: number): string {
  return `HTTP/1.1 ${status}\r\ncontent-length: ${length}\r\nconnection: close\r\n\r\n`;
}

function answers(status: string, body: string): void {
  react = (connection) => void connection.end(head(status, body.length) + body);
}

/** Returns the error's message of a request that must fail. */
async function complaint(patienceMs?: number): Promise<string> {
  const asked = callController(socket, "GET", STATUS_PATH, undefined, patienceMs);
  const error = await asked.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ControlClientError);
  return (error as Error).message;
}

it.each([
  ["200 OK", "<html>hello</html>", '(status 200, "<html>hello</html>")'],
  ["404 Not Found", "404 page not found", '(status 404, "404 page not found")'],
  ["200 OK", "null", '(status 200, "null")'],
  ["200 OK", "", '(status 200, "")'],
  ["422 Unprocessable", '{"reason":"x"}', "(status 422, "],
])("reports an answer %s %j that no controller gives", async (status, body, shown) => {
  answers(status, body);
  const message = await complaint();
  expect(message).toContain(socket);
  expect(message).toContain(shown);
  expect(message).toContain("--run-dir");
});

it("passes on the error of the controller", async () => {
  answers("422 Unprocessable", '{"error":"no Service shop/nothing"}');
  expect(await complaint()).toBe("no Service shop/nothing");
});

it("reports a controller that ends in the middle of its answer", async () => {
  react = (connection) => void connection.end(`${head("200 OK", 1_000)}{"version":`);
  expect(await complaint()).toContain("exited in the middle of its answer");
});

it("reports a controller that ends before its answer", async () => {
  react = (connection) => connection.destroy();
  expect(await complaint()).toContain("exited before it answered");
});

it("reports a controller that does not answer in time", async () => {
  react = () => {};
  expect(await complaint(20)).toContain("did not answer within 0.02 s");
});

it("reports one that does not go on with its answer", async () => {
  react = (connection) => void connection.write(`${head("200 OK", 1_000)}{"version":`);
  expect(await complaint(50)).toContain("did not answer within 0.05 s");
});

it("reports what does not speak HTTP", async () => {
  react = (connection) => void connection.end("220 mail.example.com ESMTP\r\n");
  expect(await complaint()).toContain("does not speak HTTP");
});
