import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connectThrough } from "./proxy-connection.ts";

const TARGET = { host: "10.0.0.1", port: 6443 };

/** Accepts connections, reads what comes, and never answers. */
const silent = createServer((socket) => void socket.on("error", () => {}).resume());

beforeEach(async () => {
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
});
afterEach(() => {
  silent.close();
});

test.each(["http", "https", "socks5"])("gives up a proxy that is silent: %s", async (scheme) => {
  const proxy = `${scheme}://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const accepted: Promise<[Socket]> = once(silent, "connection") as Promise<[Socket]>;
  const connected = connectThrough(new URL(proxy), TARGET, {}, 200);
  await expect(connected).rejects.toThrow(`${proxy}: no answer within 0.2 s`);
  const [socket] = await accepted;
  // Its end must throw nothing: Vitest would report that.
  if (!socket.closed) await once(socket, "close");
  expect(socket.closed).toBe(true);
});
