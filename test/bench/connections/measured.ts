// What the benches of connections share: their peers, and the form of output.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { integerBetween } from "../../../controller/config/flag-values.ts";
import { findEnvoy } from "../../../envoy/find.ts";
import { type LoadPrograms, loadPrograms } from "../load/programs.ts";
import { busyWarning, machine } from "../machine.ts";
import { builtCheckout, outputOption } from "../options.ts";
import { progress } from "../progress.ts";
import { haproxyVersion } from "./haproxy.ts";
import { type CheckoutPeer, PEER_NAMES, type Peer, type PeerName } from "./peer.ts";
import { endPeer, makePeer } from "./peers.ts";
import { inTurn } from "./rounds.ts";

export interface MeasuredOptions {
  peers: PeerName[];
  checkout: CheckoutPeer[];
  workers: number;
  /** In Portico's table and in the kernel; SERVICES when absent. */
  services?: number;
  output?: string;
}

export interface TimedOptions extends MeasuredOptions {
  rounds: number;
  seconds: number;
}

const PEERS: readonly PeerName[] = ["direct", "kube-proxy", "haproxy", "envoy", "portico"];

/** Adds the options that all of these benches have. `peers`: those that are measured by default. */
export function measuredOptions(command: Command, peers: readonly PeerName[] = PEERS): Command {
  return command
    .option("--peers <names>", `of ${PEER_NAMES.join(",")}`, peerNames, peers)
    .option(
      "--checkout <name=directory>",
      "Portico of another checkout (installed and built) as a further peer; repeatable",
      oneMoreCheckout,
      [],
    )
    .option("--workers <number>", "threads of every proxy", integerBetween(1, 64), 2)
    .addOption(outputOption());
}

/** And those of the ones that go round and measure for a time; `seconds` by default. */
export function timedOptions(command: Command, seconds: number): Command {
  const rounds = integerBetween(1, 1_000);
  return measuredOptions(command)
    .option("--rounds <number>", "measured, after one of warming up", rounds, 5)
    .option("--seconds <number>", "of each measurement", integerBetween(1, 60), seconds);
}

/** Parses "envoy,portico". */
function peerNames(text: string): PeerName[] {
  const names = text.split(",");
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new InvalidArgumentError(`It has "${twice}" twice.`);
  const unknown = names.find((name) => !(PEER_NAMES as readonly string[]).includes(name));
  if (unknown !== undefined) throw new InvalidArgumentError(`There is no peer "${unknown}".`);
  return names as PeerName[];
}

/** One more of `--checkout NAME=DIRECTORY`. */
function oneMoreCheckout(text: string, before: readonly CheckoutPeer[]): CheckoutPeer[] {
  const [, name, directory] = /^([\w-]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || directory === undefined) {
    throw new InvalidArgumentError("Write it as NAME=DIRECTORY.");
  }
  const isTaken = [...PEER_NAMES, ...before.map((peer) => peer.name)].includes(name);
  if (isTaken) throw new InvalidArgumentError(`There is a peer "${name}" already.`);
  return [...before, { name, directory: builtCheckout(directory) }];
}

/** Without those that this machine does not have, which is said. */
function present(names: readonly PeerName[]): PeerName[] {
  if (!names.includes("haproxy") || haproxyVersion() !== undefined) return [...names];
  progress("HAPROXY IS LEFT OUT: it is not installed (Debian: apt-get install haproxy)");
  return names.filter((name) => name !== "haproxy");
}

const SERVICES = 1_000;

/** Starts the peers, calls `measure`, and ends them whatever happens. */
export async function withPeers(
  { peers: names, checkout, workers, services = SERVICES }: MeasuredOptions,
  measure: (parts: { peers: readonly Peer[]; programs: LoadPrograms }) => Promise<void>,
): Promise<void> {
  const warning = busyWarning();
  if (warning !== undefined) progress(warning);
  const directory = await mkdtemp(join(tmpdir(), "portico-bench-"));
  const peers: Peer[] = [];
  try {
    const programs = loadPrograms();
    const envoy = await findEnvoy(process.env, progress);
    const setUp = { programs, envoy, directory, workers, services };
    for (const wanted of [...present(names), ...checkout]) {
      progress(`starting ${typeof wanted === "string" ? wanted : wanted.name}`);
      peers.push(await makePeer(wanted, setUp));
    }
    await measure({ peers, programs });
  } finally {
    for (const peer of peers) await endPeer(peer);
    await rm(directory, { recursive: true, force: true });
  }
}

/**
 * What `measure` returns of each peer in each round, without the one of warming up. Prints it, and
 * exits with 1 when something failed.
 */
export async function measureInTurn<S extends { peer: string; round: number; hasFailed: boolean }>(
  options: TimedOptions,
  peers: readonly Peer[],
  measure: (peer: Peer) => Promise<Omit<S, "round">[]>,
  textOf: (samples: readonly S[]) => string,
): Promise<void> {
  const samples: S[] = [];
  for (const { peer, round } of inTurn(peers, options.rounds)) {
    const measured = await measure(peer);
    if (round > 0) samples.push(...measured.map((sample) => ({ ...sample, round }) as S));
  }
  printed(options, samples, textOf(samples));
  const failed = [...new Set(samples.filter((each) => each.hasFailed).map(({ peer }) => peer))];
  if (failed.length === 0) return;
  progress(`some connections FAILED: the figures of ${failed.join(", ")} do not count`);
  process.exitCode = 1;
}

/** Prints the text, or all samples as JSON. */
export function printed(options: MeasuredOptions, samples: readonly object[], text: string): void {
  const { output, ...settings } = options;
  const json = () => JSON.stringify({ machine: machine(), settings, samples }, null, 2);
  process.stdout.write(`${output === "json" ? json() : `${machine()}\n\n${text}`}\n`);
}
