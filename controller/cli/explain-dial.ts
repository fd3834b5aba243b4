// One connection or one datagram → what became of it. A hidden command, so that `portico explain
// --try --netns` can start it in another network namespace.

import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import { Command } from "commander";

/**
 *    open         connected, and nothing happened for a while
 *    answered     bytes came
 *    ended        connected, and the other end ended the stream at once
 *    reset        connected, and reset at once
 */
export type DialOutcome =
  | "open"
  | "answered"
  | "ended"
  | "reset"
  | "refused"
  | "timeout"
  | "unreachable";

/**
 * The fraction of the given time for which it watches a connection after connect(), and waits for
 * an answer over UDP: a backend that refuses Envoy ends the client's stream within a round trip.
 */
const SETTLING_PART = 0.2;
const ANSWERING_PART = 0.4;

const OUTCOMES: Readonly<Record<string, DialOutcome>> = {
  ECONNREFUSED: "refused",
  ECONNRESET: "reset",
  ETIMEDOUT: "timeout",
  ENETUNREACH: "unreachable",
  EHOSTUNREACH: "unreachable",
};

const PLACE = /^\[?(?<address>[^\]]+?)\]?:(?<port>\d+)\/(?<protocol>TCP|UDP)$/;

/** `to` as in Explanation; `source` is the address to dial from, undefined for any. */
export function dial(
  to: string,
  source: string | undefined,
  timeoutMs: number,
): Promise<DialOutcome> {
  const { address = "", port, protocol } = PLACE.exec(to)?.groups ?? {};
  const target: Target = { address, port: Number(port), source };
  return protocol === "UDP" ? dialUdp(target, timeoutMs) : dialTcp(target, timeoutMs);
}

interface Target {
  address: string;
  port: number;
  source: string | undefined;
}

function dialTcp({ address, port, source }: Target, timeoutMs: number): Promise<DialOutcome> {
  return new Promise((resolve, reject) => {
    const local = source === undefined ? {} : { localAddress: source };
    const socket = connect({ host: address, port, ...local });
    let timer = setTimeout(() => end("timeout"), timeoutMs);
    const end = (outcome: DialOutcome | Error) => {
      clearTimeout(timer);
      socket.destroy();
      if (outcome instanceof Error) reject(outcome);
      else resolve(outcome);
    };
    socket.on("connect", () => {
      clearTimeout(timer);
      timer = setTimeout(() => end("open"), timeoutMs * SETTLING_PART);
    });
    socket.on("data", () => end("answered"));
    socket.on("end", () => end("ended"));
    socket.on("error", (error) => end(outcomeOf(error, source)));
  });
}

function dialUdp({ address, port, source }: Target, timeoutMs: number): Promise<DialOutcome> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
    const timer = setTimeout(() => end("timeout"), timeoutMs * ANSWERING_PART);
    const end = (outcome: DialOutcome | Error) => {
      clearTimeout(timer);
      socket.close();
      if (outcome instanceof Error) reject(outcome);
      else resolve(outcome);
    };
    socket.on("error", (error) => end(outcomeOf(error, source)));
    socket.on("message", () => end("answered"));
    socket.bind(0, source, () => socket.connect(port, address));
    // An error from connecting arrives here as the argument, unlike those from binding.
    socket.on("connect", () => socket.send(new Uint8Array()));
  });
}

function outcomeOf(error: NodeJS.ErrnoException, source: string | undefined): DialOutcome | Error {
  if (error.code === "EADDRNOTAVAIL") {
    return new Error(`${source} is not an address of that network namespace: is it the client's?`);
  }
  return OUTCOMES[error.code ?? ""] ?? error;
}

/** Returns the hidden command, which prints the outcome. */
export function explainDialCommand(): Command {
  return new Command("explain-dial")
    .argument("<to>", "as in an explanation")
    .argument("<source>", "the client's address, or empty")
    .argument("<timeout>", "milliseconds", Number)
    .description("make one connection and print the result; used by `portico explain`")
    .action(async (to: string, source: string, timeoutMs: number) => {
      process.stdout.write(`${await dial(to, source || undefined, timeoutMs)}\n`);
    });
}
