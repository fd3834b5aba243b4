// client.ts URL [COUNT [INTERVAL_MS]]: a Pod that asks a Service, each time by a new connection,
// and prints what it was answered. Without COUNT for ever, once a second; with it as JSON, one line
// for each answer: {"backend", "container", "client"} or {"error"}.

import { get } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const [url = "", count, intervalMs = 1_000] = process.argv.slice(2);
const TIMEOUT_MS = 30_000;

process.once("SIGTERM", () => process.exit());
for (let left = count === undefined ? Number.POSITIVE_INFINITY : Number(count); left > 0; left--) {
  const answer = await ask();
  console.log(count === undefined ? sentence(answer) : JSON.stringify(answer));
  if (left > 1) await sleep(Number(intervalMs));
}

interface Answer {
  backend?: string;
  client?: string;
  error?: string;
}

function ask(): Promise<Answer> {
  return new Promise((resolve) => {
    const fail = ({ message }: Error) => resolve({ error: message });
    const options = { agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) };
    get(url, options, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (more: string) => {
        text += more;
      });
      response.on("error", fail).on("end", () => resolve(JSON.parse(text)));
    }).on("error", fail);
  });
}

function sentence({ backend, client, error }: Answer): string {
  return error ? `${url}: ${error}` : `${url}: ${backend} answered, and saw ${client}`;
}
