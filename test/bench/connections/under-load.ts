// bench connections under-load: how long a request takes while the machine is busy with as many as
// it can carry, half of that, or few.

import { Command } from "commander";
import { columns } from "../../../controller/cli/output.ts";
import { integerBetween } from "../../../controller/config/flag-values.ts";
import type { LoadPrograms } from "../load/programs.ts";
import { runLoad, runPaced } from "../load/run.ts";
import { progress } from "../progress.ts";
import { summarize } from "../statistics.ts";
import { measureInTurn, type TimedOptions, timedOptions, withPeers } from "./measured.ts";
import type { Peer } from "./peer.ts";
import { inTurn } from "./rounds.ts";
import { sameRound } from "./same-round.ts";

interface UnderLoadOptions extends TimedOptions {
  connections: number;
}

const LOAD_PERCENT = [10, 50, 90] as const;
/** Of each connection, to find out how many a peer can carry. */
const REQUESTS_EACH = 400;

interface LoadSample {
  peer: string;
  percent: number;
  perSecond: number;
  round: number;
  p50Us: number;
  p99Us: number;
  /** Arrived, and had no answer a second after the end. */
  unanswered: number;
  hasFailed: boolean;
}

/** The subcommand of `connections`. */
export function underLoadCommand(): Command {
  const command = new Command("under-load").description(
    "how long a request takes on connections that stay, from its arrival, at 10, 50 and 90 % of " +
      "the requests a second that the slowest of the peers can carry. All peers get the same " +
      "arrivals, at random times that wait for no answer",
  );
  return timedOptions(command, 3)
    .option("--connections <number>", "that requests share", integerBetween(1, 1_000), 50)
    .action((options: UnderLoadOptions) =>
      withPeers(options, (parts) => measureAll(parts, options)),
    );
}

async function measureAll(
  { peers, programs }: { peers: readonly Peer[]; programs: LoadPrograms },
  options: UnderLoadOptions,
): Promise<void> {
  const most = await mostPerSecond(peers, programs, options.connections);
  progress(`100 % is ${most.toFixed(0)} requests a second`);
  const eachLoad = async (peer: Peer) => {
    const measured: Omit<LoadSample, "round">[] = [];
    for (const percent of LOAD_PERCENT) {
      const perSecond = (most * percent) / 100;
      measured.push({ ...(await measure(programs, peer, perSecond, options)), percent });
    }
    return measured;
  };
  await measureInTurn<LoadSample>(options, peers, eachLoad, (samples) =>
    textOf(samples, peers, most),
  );
}

/** Of the slowest peer; the median of three, after one for warming up. */
async function mostPerSecond(
  peers: readonly Peer[],
  programs: LoadPrograms,
  connections: number,
): Promise<number> {
  const load = { connections, concurrency: connections, requestsEach: REQUESTS_EACH };
  const rates = new Map<string, number[]>();
  for (const { peer, round } of inTurn(peers, 3)) {
    const result = await runLoad(programs, peer.stand.client, peer.target, load);
    if (result.failures > 0) throw new Error(`${peer.name}: ${result.error}`);
    if (round === 0) continue;
    const before = rates.get(peer.name) ?? [];
    rates.set(peer.name, [...before, result.requests / result.seconds]);
  }
  return Math.min(...[...rates.values()].map((each) => summarize(each).median));
}

async function measure(
  programs: LoadPrograms,
  { name, stand, target }: Peer,
  perSecond: number,
  { connections, seconds }: UnderLoadOptions,
): Promise<Omit<LoadSample, "round" | "percent">> {
  const load = { connections, perSecond, seconds };
  const { latencyUs, arrived, answered, error } = await runPaced(
    programs,
    stand.client,
    target,
    load,
  );
  const { p50: p50Us, p99: p99Us } = latencyUs;
  const unanswered = arrived - answered;
  return { peer: name, perSecond, p50Us, p99Us, unanswered, hasFailed: error !== "" };
}

const HEADING = ["LOAD", "PEER", "P50 µs", "ADDED", "P99 µs", "ADDED", "UNANSWERED"];

function textOf(samples: readonly LoadSample[], peers: readonly Peer[], most: number): string {
  const rows = LOAD_PERCENT.flatMap((percent) => {
    const ofLoad = samples.filter((sample) => sample.percent === percent);
    return peers.map(({ name: peer }) => [
      `${percent} %`,
      peer,
      ...latency(ofLoad, peer, ({ p50Us }) => p50Us),
      ...latency(ofLoad, peer, ({ p99Us }) => p99Us),
      String(
        ofLoad
          .filter((sample) => sample.peer === peer)
          .reduce((sum, { unanswered }) => sum + unanswered, 0),
      ),
    ]);
  });
  const scale = `100 %: ${most.toFixed(0)} requests a second, the most of the slowest peer\n`;
  return `${columns([HEADING, ...rows])}${scale}`;
}

/** The median, and the median of what it adds to "direct" of the same round. */
function latency(
  samples: readonly LoadSample[],
  peer: string,
  figure: (sample: LoadSample) => number,
): [string, string] {
  const own = samples.filter((sample) => sample.peer === peer);
  const added = sameRound(samples, peer, "direct", (a, b) => figure(a) - figure(b));
  const text = added.length === 0 ? "" : summarize(added).median.toFixed(0);
  return [summarize(own.map(figure)).median.toFixed(0), text];
}
