// An explanation → the connection really made, from here or from another network namespace, and
// whether what happened is what was explained. Nothing is sent over TCP, and over UDP one empty
// datagram.

import { spawn } from "node:child_process";
import type { Explanation, Outcome } from "../explain/explanation.ts";
import { type DialOutcome, dial } from "./explain-dial.ts";
import { watchingBackends } from "./explain-reached.ts";

export interface TrialOptions {
  /** A process or a file whose network namespace it is made from; undefined: this one. */
  netns: string | undefined;
  timeoutMs: number;
}

export interface Trial {
  /** "this node itself", or the namespace as it was given. */
  madeFrom: string;
  happened: DialOutcome;
  milliseconds: number;
  /** The backend that got it; undefined when that cannot be told. */
  reached: string | undefined;
  /** What the explanation leads to expect, in words. */
  expected: string;
  /** Undefined where what happened says nothing about what was explained. */
  agrees: boolean | undefined;
}

export async function tryConnection(
  explanation: Explanation,
  { netns, timeoutMs }: TrialOptions,
): Promise<Trial> {
  const { to, from, outcome, backends } = explanation;
  const begin = performance.now();
  const source = netns === undefined ? undefined : from.address;
  const { result: happened, reached } = await watchingBackends(explanation, () =>
    netns === undefined ? dial(to, source, timeoutMs) : dialIn(netns, to, source, timeoutMs),
  );
  const { expected, agrees } = comparison(outcome, happened, to.endsWith("/UDP"));
  const isListed = reached === undefined || backends.some(({ place }) => place === reached);
  return {
    madeFrom: netns ?? "this node itself",
    happened,
    milliseconds: Math.round(performance.now() - begin),
    reached,
    expected,
    agrees: agrees && isListed,
  };
}

/** In words, and which of the things that can happen agree with it. */
const TCP: Record<Outcome, readonly [string, readonly DialOutcome[]] | undefined> = {
  served: ["connected, and a backend keeps the connection", ["open", "answered"]],
  ended: ["connected, and the stream ends at once", ["ended", "reset"]],
  refused: ["refused at once", ["refused"]],
  dropped: ["no answer", ["timeout"]],
  unreachable: ["no route", ["unreachable"]],
  untouched: undefined,
};
const UDP: typeof TCP = {
  ...TCP,
  served: [
    "no refusal; an answer, if the backend answers empty datagrams",
    ["answered", "timeout"],
  ],
  ended: ["no answer", ["timeout"]],
};

function comparison(
  outcome: Outcome,
  happened: DialOutcome,
  isUdp: boolean,
): Pick<Trial, "expected" | "agrees"> {
  const entry = (isUdp ? UDP : TCP)[outcome];
  if (!entry) return { expected: "whatever is there without Portico", agrees: undefined };
  const [expected, outcomes] = entry;
  return { expected, agrees: outcomes.includes(happened) };
}

const WORDS: Record<DialOutcome, string> = {
  open: "connected, and it stays open",
  answered: "answered",
  ended: "connected, and the stream ended at once",
  reset: "connected, and was reset at once",
  refused: "refused",
  timeout: "no answer",
  unreachable: "no route",
};

export function textFromTrial({ madeFrom, happened, milliseconds, ...rest }: Trial): string {
  const { reached, expected, agrees } = rest;
  const lines = [`tried       from ${madeFrom}: ${WORDS[happened]} (${milliseconds} ms)`];
  if (reached !== undefined) lines.push(`            Envoy connected to ${reached} meanwhile`);
  if (agrees === undefined) lines.push(`            explained: ${expected}`);
  else if (agrees) lines.push(`            as explained: ${expected}`);
  else {
    lines.push(`            !! NOT AS EXPLAINED: ${expected}`);
    if (happened === "ended" || happened === "reset") {
      lines.push("            the backend that was picked refused, or did not accept");
    }
  }
  return `${lines.join("\n")}\n`;
}

/** The same in another namespace, by a process that nsenter puts there. */
async function dialIn(
  netns: string,
  to: string,
  source: string | undefined,
  timeoutMs: number,
): Promise<DialOutcome> {
  const file = /^\d+$/.test(netns) ? `/proc/${netns}/ns/net` : netns;
  const program = process.argv[1] as string;
  const dialling = [process.execPath, program, "explain-dial", to, source ?? "", String(timeoutMs)];
  const child = spawn("nsenter", [`--net=${file}`, "--", ...dialling]);
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs + START_MS);
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("close", resolve);
    child.on("error", (error) => {
      reject(new Error(`--netns needs nsenter (Debian: util-linux): ${error.message}`));
    });
  }).finally(() => clearTimeout(timer));
  if (code === 0) return stdout.trim() as DialOutcome;
  const said = stderr.trim().replace(/^portico: /, "") || `it ended with ${code}`;
  throw new Error(`--try in ${file}: ${said}`);
}

/** What starting a process may take on a busy machine. */
const START_MS = 30_000;
