// What runs in the store's Pods: `shop.ts APP NAME PORT`, a small HTTP server for each of the three
// apps. It learns the addresses of Services as any container does, from the variables that the
// kubelet sets (ORDERS_API_SERVICE_HOST and so on).
//
//    GET /           JSON {name, client}: which Pod answers, and which address:port asked it
//    GET /checkout   the same, and in `next` what the app behind it answered to the same question:
//                    frontend → orders-api → payments. 502 with `error` when that failed.
//
// Prints one line when it listens.

import { createServer, get, type Server } from "node:http";

/** Which Service each app calls for a checkout, as the prefix of its variables. */
const NEXT: Record<string, string> = { frontend: "ORDERS_API", "orders-api": "PAYMENTS" };

const [app = "", name = "", port = ""] = process.argv.slice(2);
const next = NEXT[app];

function serve(): Server {
  return createServer(async (request, response) => {
    const { remoteAddress, remotePort } = request.socket;
    const answer: Record<string, unknown> = { name, client: `${remoteAddress}:${remotePort}` };
    if (request.url === "/checkout" && next !== undefined) {
      try {
        answer.next = await ask(next);
      } catch (error) {
        response.statusCode = 502;
        answer.error = (error as Error).message;
      }
    }
    response.setHeader("content-type", "application/json");
    response.end(`${JSON.stringify(answer)}\n`);
  });
}

function ask(service: string): Promise<unknown> {
  const host = process.env[`${service}_SERVICE_HOST`] ?? "";
  const port = process.env[`${service}_SERVICE_PORT`] ?? "";
  return new Promise((resolve, reject) => {
    const options = { host, port, path: "/checkout", agent: false, timeout: 5_000 };
    const request = get(options, async (response) => {
      let text = "";
      for await (const part of response.setEncoding("utf8")) text += part;
      resolve(JSON.parse(text));
    });
    request.on("timeout", () => request.destroy(new Error(`no answer from ${host}:${port}`)));
    request.on("error", reject);
  });
}

const server = serve();
// A connection is the client's to close: a store with slow customers.
server.keepAliveTimeout = 0;
server.listen({ host: "0.0.0.0", port: Number(port), backlog: 1024 }, () => {
  process.stdout.write(`${name} listens on ${port}\n`);
});
