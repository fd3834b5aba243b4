// An explanation → a real connection, from here or from another network namespace, and whether the
// outcome matches the explanation. It sends nothing over TCP, and one empty datagram over UDP.

import { spawn } from "node:child_process";
import type { Explanation, Outcome } from "../explain/explanation.ts";
import { type DialOutcome, dial } from "./explain-dial.ts";
import { type ReachedBackends, watchingBackends } from "./explain-reached.ts";

interface TrialOptions {
  /** A process or a file that names the network namespace to dial from; undefined: this one. */
  netns: string | undefined;
  timeoutMs: number;
}

export interface Trial extends ReachedBackends {
  /** "this node itself", or the namespace as given. */
  madeFrom: string;
  happened: DialOutcome;
  milliseconds: number;
  /** What the explanation predicts, in words. */
  expected: string;
  /** Undefined where the outcome says nothing about the explanation. */
  agrees: boolean | undefined;
}

/**
 * Makes the explained connection, closes it, and compares. From another namespace it dials from the
 * client's address of the explanation. Rejects when it cannot try at all.
 */
export async function tryConnection(
  explanation: Explanation,
  { netns, timeoutMs }: TrialOptions,
): Promise<Trial> {
  const { to, from, outcome, backends } = explanation;
  const begin = performance.now();
  const source = netns === undefined ? undefined : from.address;
  const {
    result: happened,
    reached,
    waitingFor,
  } = await watchingBackends(explanation, () =>
    netns === undefined ? dial(to, source, timeoutMs) : dialIn(netns, to, source, timeoutMs),
  );
  const { expected, agrees } = comparison(outcome, happened, to.endsWith("/UDP"));
  const isListed = reached === undefined || backends.some(({ place }) => place === reached);
  // Envoy has accepted it, which says nothing yet: the backends may still answer, or refuse.
  const isUndecided = happened === "open" && waitingFor.length > 0;
  return {
    madeFrom: netns ?? "this node itself",
    happened,
    milliseconds: Math.round(performance.now() - begin),
    reached,
    waitingFor,
    expected,
    agrees: isUndecided ? undefined : agrees && isListed,
  };
}

/** Each in words, and the dial outcomes that agree with it. */
const TCP: Record<Outcome, readonly [string, readonly DialOutcome[]] | undefined> = {
  served: ["connected, and a backend keeps the connection open", ["open", "answered"]],
  ended: ["connected, then the stream ends at once", ["ended", "reset"]],
  refused: ["refused at once", ["refused"]],
  dropped: ["no answer", ["timeout"]],
  unreachable: ["no route", ["unreachable"]],
  untouched: undefined,
};
const UDP: typeof TCP = {
  ...TCP,
  served: [
    "not refused; an answer, if the backend answers empty datagrams",
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
  if (!entry) return { expected: "whatever answers without Portico", agrees: undefined };
  const [expected, outcomes] = entry;
  return { expected, agrees: outcomes.includes(happened) };
}

const WORDS: Record<DialOutcome, string> = {
  open: "connected, and stays open",
  answered: "answered",
  ended: "connected, then the stream ended at once",
  reset: "connected, then reset at once",
  refused: "refused",
  timeout: "no answer",
  unreachable: "no route",
};

/** Returns the lines that follow an explanation, the last with a line feed. */
export function textFromTrial({ madeFrom, happened, milliseconds, ...rest }: Trial): string {
  const { reached, waitingFor, expected, agrees } = rest;
  const lines = [`tried       from ${madeFrom}: ${WORDS[happened]} (${milliseconds} ms)`];
  if (reached !== undefined) lines.push(`            Envoy connected to ${reached} meanwhile`);
  if (waitingFor.length > 0) {
    const places = waitingFor.join(", ");
    lines.push(`            !! no backend has accepted it: ${places} did not answer yet`);
  }
  if (agrees === undefined) lines.push(`            explained: ${expected}`);
  else if (agrees) lines.push(`            as explained: ${expected}`);
  else {
    lines.push(`            !! NOT AS EXPLAINED: ${expected}`);
    if (happened === "ended" || happened === "reset") {
      lines.push("            the picked backend refused or did not accept");
    }
  }
  return `${lines.join("\n")}\n`;
}

/** Does the same in another namespace, by a process that nsenter puts there. */
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
  const said = stderr.trim().replace(/^portico: /, "") || `it exited with ${code}`;
  throw new Error(`--try in ${file}: ${said}`);
}

/** How long starting a process may take on a busy machine. */
const START_MS = 30_000;
