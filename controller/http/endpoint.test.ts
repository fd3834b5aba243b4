import { once } from "node:events";
import { request } from "node:http";
import { type AddressInfo, connect, createServer } from "node:net";
import { afterEach, expect, it } from "vitest";
import { StoppedClock } from "../../test/stand-ins/stopped-clock.ts";
import { createLog } from "../observe/log.ts";
import { TEXT } from "./answer.ts";
import { HttpEndpoint, type HttpEndpointOptions } from "./endpoint.ts";

const opened: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.stop();
});

function endpoint(fields: Partial<HttpEndpointOptions> = {}, lines: string[] = []) {
  const made = new HttpEndpoint({
    name: "test",
    bind: { address: "127.0.0.1", port: 0 },
    routes: {
      "/hello": (query) => ({ status: 200, type: TEXT, body: `hello ${query.get("name")}` }),
      "/broken": () => Promise.reject(new Error("broken")),
    },
    hardFail: false,
    clock: new StoppedClock(),
    log: createLog("info", { write: (line) => lines.push(line) }),
    ...fields,
  });
  opened.push(made);
  return made;
}

async function ask(port: number | undefined, path: string, host = "127.0.0.1") {
  const response = await fetch(`http://${host}:${port}${path}`);
  return `${response.status} ${await response.text()}`;
}

it("answers its paths and no others", async () => {
  const server = endpoint();
  await server.start();
  expect(await ask(server.port, "/hello?name=you")).toBe("200 hello you");
  expect(await ask(server.port, "/hello/")).toBe("404 404 page not found\n");
  expect(await ask(server.port, "/toString")).toBe("404 404 page not found\n");
  expect(await ask(server.port, "/broken")).toBe("500 broken\n");
});

it("survives a request line that is no URL", async () => {
  const server = endpoint();
  await server.start();
  for (const path of ["*", "//", "http://[/"]) {
    const asked = request({ port: server.port, method: "OPTIONS", path }).end();
    const [response] = await once(asked, "response");
    expect(response.statusCode).toBe(404);
    response.resume();
  }
});

it("answers both families on a wildcard of either", async () => {
  for (const address of ["0.0.0.0", "::"]) {
    const server = endpoint({ bind: { address, port: 0 } });
    await server.start();
    expect(await ask(server.port, "/hello?name=4")).toBe("200 hello 4");
    expect(await ask(server.port, "/hello?name=6", "[::1]")).toBe("200 hello 6");
  }
});

it("tries again when its port is taken", async () => {
  const holder = createServer().listen(0, "127.0.0.1");
  await once(holder, "listening");
  const { port } = holder.address() as AddressInfo;
  const clock = new StoppedClock();
  const lines: string[] = [];
  const server = endpoint({ bind: { address: "127.0.0.1", port }, clock }, lines);
  await server.start();
  expect(server.port).toBeUndefined();
  expect(lines.join()).toMatch(`The test server cannot listen on 127.0.0.1 port ${port}: listen`);
  holder.close();
  await once(holder, "close");
  clock.pass();
  await expect.poll(() => server.port).toBe(port);
});

it("fails at once where that is to be fatal", async () => {
  const holder = createServer().listen(0, "127.0.0.1");
  await once(holder, "listening");
  const { port } = holder.address() as AddressInfo;
  const server = endpoint({ bind: { address: "127.0.0.1", port }, hardFail: true });
  await expect(server.start()).rejects.toThrow("EADDRINUSE");
  holder.close();
});

it("ends open connections when it stops, and tries no more", async () => {
  const server = endpoint();
  await server.start();
  const connection = connect(server.port ?? 0, "127.0.0.1");
  await once(connection, "connect");
  const ended = once(connection, "close");
  await server.stop();
  await ended;
  expect(server.port).toBeUndefined();
});
