// In which order the kernel calls chains of one hook and one priority. Portico's chains for bridges
// rely on the newest being called first (bridge.ts). nf_hook_entries_grow does that
// (net/netfilter/core.c, since Linux 4.14), but no documentation says so. So this tries it: two
// such chains in a table of their own, and one datagram on lo that both should count and the older
// drops. The table is removed again before this returns.

import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import type { Printed } from "./program.ts";

export type HookOrder = "latest-first" | "oldest-first";

/** As RunProgram, and as Machine in check. */
type Run = (
  program: string,
  args: readonly string[],
  input: string,
) => Promise<Printed | undefined>;

export const ORDER_TABLE = "inet portico_order";
/** Of br_netfilter's function, which is the one that matters. */
const BASE = "{ type filter hook prerouting priority -2147483648; policy accept; }";
/** The datagram is counted before the first look, or soon after it on a busy machine. */
const LOOKS = 25;
const BETWEEN_LOOKS_MS = 40;

/** Returns undefined where it cannot be tried, because nft or lo does not do what it should. */
export async function hookOrder(run: Run): Promise<HookOrder | undefined> {
  const nft = (args: readonly string[], input = "") =>
    run("nft", args, input).catch(() => undefined);
  const socket = createSocket("udp4");
  try {
    const port = await boundPort(socket);
    if ((await nft(["-f", "-"], scriptFor(port)))?.code !== 0) return undefined;
    socket.send("?", port, "127.0.0.1");
    for (let look = 0; look < LOOKS; look++) {
      const listing = (await nft(["list", "table", ...ORDER_TABLE.split(" ")]))?.stdout ?? "";
      if (countOf("older", listing) > 0) {
        return countOf("latest", listing) > 0 ? "latest-first" : "oldest-first";
      }
      await delay(BETWEEN_LOOKS_MS);
    }
    return undefined;
  } catch {
    return undefined;
  } finally {
    socket.close();
    await nft(["-f", "-"], `table ${ORDER_TABLE}\ndelete table ${ORDER_TABLE}\n`);
  }
}

async function boundPort(socket: Socket): Promise<number> {
  socket.on("error", () => {});
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return socket.address().port;
}

/** The datagram goes from a port to itself: only this process sends that. */
function scriptFor(port: number): string {
  const isOurs = `iif "lo" ip saddr 127.0.0.1 udp sport ${port} udp dport ${port}`;
  return [
    `table ${ORDER_TABLE}`,
    `delete table ${ORDER_TABLE}`,
    `add table ${ORDER_TABLE}`,
    `add chain ${ORDER_TABLE} older ${BASE}`,
    `add chain ${ORDER_TABLE} latest ${BASE}`,
    `add rule ${ORDER_TABLE} older ${isOurs} counter drop`,
    `add rule ${ORDER_TABLE} latest ${isOurs} counter`,
    "",
  ].join("\n");
}

function countOf(chain: string, listing: string): number {
  const [, packets] = new RegExp(`chain ${chain} {[^}]*counter packets (\\d+)`).exec(listing) ?? [];
  return Number(packets ?? 0);
}
