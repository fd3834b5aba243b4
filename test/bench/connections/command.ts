// bench connections

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { integerBetween } from "../../../controller/config.ts";
import { findEnvoy } from "../../../envoy/find.ts";
import { loadPrograms } from "../load/programs.ts";
import { busyWarning, machine } from "../machine.ts";
import { progress } from "../progress.ts";
import { haproxyVersion } from "./haproxy.ts";
import { PEER_NAMES, type Peer, type PeerName, USUAL_PEERS } from "./peer.ts";
import { endPeer, makePeer, type PeersOptions } from "./peers.ts";
import { figuresOf, textOf } from "./report.ts";
import { type Loads, runRounds, type Sample } from "./rounds.ts";

interface ConnectionsOptions {
  peers: PeerName[];
  rounds: number;
  connections: number;
  requests: number;
  concurrency: number;
  workers: number;
  services: number;
  output?: string;
}

export function connectionsCommand(): Command {
  const atLeastOne = integerBetween(1, 10_000_000);
  return new Command("connections")
    .description(
      "new connections a second and keep-alive requests a second through each peer, one after " +
        "the other in every round, each on a node of its own made of network namespaces.\n" +
        "Ratios are of the same round; figures are medians with the quartiles.",
    )
    .option("--peers <names>", `of ${PEER_NAMES.join(",")}`, peerNames, USUAL_PEERS)
    .option("--rounds <number>", "measured rounds, after one of warming up", atLeastOne, 20)
    .option("--connections <number>", "new connections a round", atLeastOne, 4_000)
    .option("--requests <number>", "keep-alive requests a round", atLeastOne, 16_000)
    .option("--concurrency <number>", "connections at once", integerBetween(1, 2_000), 50)
    .option("--workers <number>", "threads of every proxy", integerBetween(1, 64), 2)
    .option("--services <number>", "Services in Portico's table", atLeastOne, 1_000)
    .option("-o, --output <format>", 'print "json" instead of tables')
    .action(run);
}

function peerNames(text: string): PeerName[] {
  const names = text.split(",");
  const unknown = names.find((name) => !(PEER_NAMES as readonly string[]).includes(name));
  if (unknown !== undefined) throw new InvalidArgumentError(`There is no peer "${unknown}".`);
  return names as PeerName[];
}

async function run(options: ConnectionsOptions): Promise<void> {
  const before = { machine: machine(), warning: busyWarning() };
  if (before.warning !== undefined) progress(before.warning);
  const directory = await mkdtemp(join(tmpdir(), "portico-bench-"));
  const peers: Peer[] = [];
  try {
    const setUp: PeersOptions = {
      programs: loadPrograms(),
      envoy: await findEnvoy(process.env, progress),
      directory,
      workers: options.workers,
      services: options.services,
    };
    for (const name of present(options.peers)) {
      progress(`starting ${name}`);
      peers.push(await makePeer(name, setUp));
    }
    const { programs } = setUp;
    const { rounds } = options;
    const loads = loadsOf(options);
    print(await runRounds({ programs, peers, loads, rounds, tell: progress }), before, options);
  } finally {
    for (const peer of peers) await endPeer(peer);
    await rm(directory, { recursive: true, force: true });
  }
}

/** Without those that this machine does not have, which is said. */
function present(names: readonly PeerName[]): PeerName[] {
  if (!names.includes("haproxy") || haproxyVersion() !== undefined) return [...names];
  progress("HAPROXY IS LEFT OUT: it is not installed (Debian: apt-get install haproxy)");
  return names.filter((name) => name !== "haproxy");
}

function loadsOf({ connections, requests, concurrency }: ConnectionsOptions): Loads {
  const requestsEach = Math.max(1, Math.round(requests / concurrency));
  return {
    new: { connections, concurrency, requestsEach: 1 },
    "keep-alive": { connections: concurrency, concurrency, requestsEach },
  };
}

interface Conditions {
  machine: string;
  warning: string | undefined;
}

function print(samples: readonly Sample[], before: Conditions, options: ConnectionsOptions): void {
  const figures = figuresOf(samples);
  const { output, ...settings } = options;
  const json = () => JSON.stringify({ ...before, settings, figures, samples }, null, 2);
  const text = () => `${before.machine}\n\n${textOf(figures)}`;
  process.stdout.write(`${output === "json" ? json() : text()}\n`);
  if (figures.some(({ failures }) => failures > 0)) {
    progress("some connections FAILED: the figures of that peer do not count");
    process.exitCode = 1;
  }
}
