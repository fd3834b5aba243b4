// Clients that expect to be refused: how their connections end, for those that send something at
// once and for those that wait for the server to speak first.

import type { Namespace } from "../namespaces/namespace.ts";

type First = "client" | "server";

/** Prints a JSON object: outcomes, and how many connections had each. */
const CLIENTS = `
  const [address, port, first, count] = process.argv.slice(1);
  const tally = {};
  let left = Number(count);
  for (let i = 0; i < count; i++) {
    const socket = require("node:net").connect({ host: address, port });
    let outcome = "";
    if (first === "client") socket.write("hello");
    socket.on("data", () => { outcome = "data"; });
    socket.on("end", () => { outcome ||= "FIN"; });
    socket.on("error", ({ code }) => { outcome = code; });
    socket.on("close", () => {
      tally[outcome] = (tally[outcome] ?? 0) + 1;
      if (--left === 0) console.log(JSON.stringify(tally));
    });
  }
`;

/** Opens connections at the same time; returns how many ended how: FIN, or an error's code. */
export async function endsOf(
  client: Namespace,
  address: string,
  first: First,
  count: number,
  port = 80,
): Promise<Record<string, number>> {
  const args = ["-e", CLIENTS, address, String(port), first, String(count)];
  const { stdout } = await client.exec(process.execPath, args, { timeoutMs: 60_000 });
  return JSON.parse(stdout) as Record<string, number>;
}
