import { mkdtempSync, rmSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { listen } from "../system/listen.ts";
import { KeptConnection } from "./kept-connection.ts";

const WHOLE = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole";

let directory: string;
let socketPath: string;
let server: Server | undefined;
let connection: KeptConnection;
let connections: number;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "portico-kept-"));
  socketPath = join(directory, "a.sock");
  connection = new KeptConnection(socketPath, 10_000);
  connections = 0;
});
afterEach(() => {
  connection.close();
  server?.close();
  rmSync(directory, { recursive: true });
});

/** Calls `react` for each piece that comes, numbered from 1 across connections. */
async function serve(react: (connection: Socket, count: number) => void): Promise<void> {
  let count = 0;
  server = createServer((each) => {
    connections += 1;
    each.on("error", () => {});
    each.on("data", () => react(each, ++count));
  });
  await listen(server, { path: socketPath });
}

async function serveHttp(): Promise<void> {
  server = createHttpServer(async (request, response) => {
    const sent = Buffer.concat(await request.toArray());
    response.statusCode = 409;
    response.end(`${request.method} ${request.url} ${sent}`);
  });
  server.on("connection", () => {
    connections += 1;
  });
  await listen(server, { path: socketPath });
}

const post = async (text: string) => {
  const { status, body } = await connection.post("/a?b=c", Buffer.from(text));
  return `${status} ${body}`;
};

it("gets each request its answer, in order, over one connection", async () => {
  await serveHttp();
  const answers = await Promise.all(["x", "", "yz"].map(post));
  expect(answers).toEqual(["x", "", "yz"].map((text) => `409 POST /a?b=c ${text}`));
  expect(connections).toBe(1);
  connection.close();
  expect(await post("again")).toBe("409 POST /a?b=c again");
  expect(connections).toBe(2);
});

it("takes an answer in pieces, however they are cut, and one as long as many", async () => {
  const body = "b".repeat(100_000);
  const answer = `HTTP/1.1 201 Created\r\nx-y: z\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  await serve(async (each, count) => {
    for (const place of [0, 4, 20, 50, 62, 90, 5_000]) {
      each.write(answer.slice(place, { 0: 4, 4: 20, 20: 50, 50: 62, 62: 90, 90: 5_000 }[place]));
      await new Promise((resolve) => setTimeout(resolve, count));
    }
  });
  expect(await post("x")).toBe(`201 ${body}`);
  expect(await post("y")).toBe(`201 ${body}`);
});

it("sends again what met a connection that was closed meanwhile", async () => {
  await serve((each, count) => (count === 2 ? each.destroy() : each.write(WHOLE)));
  expect(await post("x")).toBe("200 whole");
  expect(await post("y")).toBe("200 whole");
  expect(connections).toBe(2);
});

it("makes another connection where the other end closes it in order", async () => {
  await serve((each) => each.end(WHOLE.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")));
  expect([await post("x"), await post("y")]).toEqual(["200 whole", "200 whole"]);
  expect(connections).toBe(2);
});

it("rejects with the socket's error where no process listens, and works later", async () => {
  await expect(post("x")).rejects.toMatchObject({ code: "ENOENT" });
  await serveHttp();
  expect(await post("y")).toBe("409 POST /a?b=c y");
});

it("waits no longer than its time-out, and takes no late answer for the next", async () => {
  connection = new KeptConnection(socketPath, 50);
  await serve((each, count) => {
    if (count === 1) setTimeout(() => each.write(WHOLE), 100);
    else each.write(WHOLE.replace("whole", "other"));
  });
  await expect(post("x")).rejects.toMatchObject({ name: "TimeoutError" });
  expect(await post("y")).toBe("200 other");
  expect(connections).toBe(2);
});

it("tells an end in the middle of the answer from one before it", async () => {
  await serve((each, count) => each.end(count === 1 ? WHOLE.slice(0, -2) : ""));
  await expect(post("x")).rejects.toMatchObject({ name: "CutOffError" });
  await expect(post("y")).rejects.toMatchObject({ code: "ECONNRESET" });
});

const NO_ANSWERS = {
  "another protocol's": "220 mail.example.com ESMTP\r\n",
  "one without a length": "HTTP/1.1 200 OK\r\n\r\nand so on",
  "one without end": `HTTP/1.1 200 OK\r\n${"x".repeat(20_000)}`,
};

it.each(Object.entries(NO_ANSWERS))("rejects %s answer that it cannot read", async (_, text) => {
  await serve((each) => each.write(text));
  await expect(post("x")).rejects.toThrow(/HTTP|content-length/);
});

it("rejects a request that is under way when it is closed, and then makes another", async () => {
  let connected = () => {};
  const isAsked = new Promise<void>((resolve) => {
    connected = resolve;
  });
  await serve((each, count) => (count === 1 ? connected() : each.write(WHOLE)));
  const asked = post("x");
  await isAsked;
  connection.close();
  await expect(asked).rejects.toThrow("socket hang up");
  expect(await post("y")).toBe("200 whole");
});
