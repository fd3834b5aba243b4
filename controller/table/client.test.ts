// How the client handles a table endpoint that is missing, slow, or another program's. With the
// real plugin: test/wasm/table-client.test.ts.

import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { TableClient } from "./client.ts";

let directory: string;
let socket: string;
let server: Server | undefined;
let client: TableClient;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "portico-table-"));
  socket = join(directory, "table.sock");
  client = new TableClient(socket, { timeoutMilliseconds: 100 });
});
afterEach(async () => {
  client.close();
  await stop();
  await rm(directory, { recursive: true });
});

async function listen(answer: RequestListener): Promise<void> {
  const listening = createServer(answer);
  server = listening;
  await new Promise<void>((resolve) => listening.listen(socket, resolve));
}

async function stop(): Promise<void> {
  const listening = server;
  server = undefined;
  listening?.closeAllConnections();
  await new Promise((resolve) => (listening ? listening.close(resolve) : resolve(undefined)));
}

const VERSION = { version: 3, wireVersion: 1, build: "a", frontends: 0, loading: null };
const answersVersion: RequestListener = (_request, response) => {
  response.end(JSON.stringify(VERSION));
};

it("says which socket nobody answers on", async () => {
  const error = await client.version().catch((reason: unknown) => reason);
  expect(error).toMatchObject({ name: "TableError", code: "unreachable" });
  expect((error as Error).message).toContain(socket);
});

it("waits no longer than its timeout", async () => {
  await listen(() => {});
  const version = client.version();
  await expect(version).rejects.toMatchObject({ code: "unreachable" });
  await expect(version).rejects.toThrow("no answer within 100 ms");
});

it("asks again when the kept connection belonged to an Envoy that is gone", async () => {
  await listen(answersVersion);
  expect(await client.version()).toEqual(VERSION);
  await stop();
  await rm(socket, { force: true });
  await listen(answersVersion);
  expect(await client.version()).toEqual(VERSION);
});

it("takes an answer that is not the plugin's as unreachable, and repeats it", async () => {
  await listen((_request, response) => response.writeHead(503).end("no healthy upstream"));
  const version = client.version();
  await expect(version).rejects.toMatchObject({ code: "unreachable" });
  await expect(version).rejects.toThrow("503 no healthy upstream");
});

it.each(["<html></html>", "null", ""])("takes %j for no table's answer", async (text) => {
  await listen((_request, response) => response.end(text));
  const expected = {
    code: "unreachable",
    message: expect.stringContaining("is not a service table"),
  };
  await expect(client.version()).rejects.toMatchObject(expected);
  await expect(client.dump()).rejects.toMatchObject(expected);
  await expect(client.expectOurWireVersion()).rejects.toMatchObject(expected);
});

it("takes a dump that is no frame as refused", async () => {
  await listen((request, response) => {
    if (request.url === "/v1/version") answersVersion(request, response);
    else response.end("not a frame");
  });
  await expect(client.dump()).rejects.toMatchObject({ code: "refused" });
});
