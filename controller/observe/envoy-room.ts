// How much room the active Envoy has left for connections and UDP flows → figures for metrics, and
// problems while it has little, or refuses. Asks Envoy every few seconds: a node that is full looks
// healthy in every other way.

import {
  connectionLimitOf,
  type OpenConnections,
  openAndRefused,
  type Refused,
} from "../../envoy/admin.ts";
import type { Problem } from "../model/types.ts";
import type { Clock } from "../system/clock.ts";

const EVERY_MS = 5_000;
/**
 * With thousands of UDP listeners an answer takes Envoy's main thread a while. This bounds the time
 * until the next look, also after looks without an answer, the first of which is repeated soon.
 */
const MOST_SHARE = 1 / 100;
/** The problem begins at the first share, and ends at the second. */
const NEARLY_FULL = 0.9;
const ROOM_AGAIN = 0.8;
/** How long after a refusal it remains a problem. */
const REFUSAL_LASTS_MS = 60_000;

export interface EnvoyRoom {
  open: OpenConnections;
  /** The most TCP connections at once; undefined: its bootstrap has no limit. */
  limit: number | undefined;
  refused: Refused;
}

/** Asks Envoy's admin interface, which may be slow to say its limit: that never changes. */
interface EnvoyRoomReader {
  counts: (adminSocket: string) => Promise<Omit<EnvoyRoom, "limit">>;
  limit: (adminSocket: string) => Promise<number | undefined>;
}

interface EnvoyRoomOptions {
  clock: Clock;
  nodeName: string;
  /** Of the active Envoy. */
  adminSocket: () => string;
  report: (problems: Problem[]) => void;
  reader?: EnvoyRoomReader;
}

export class EnvoyRoomWatch {
  readonly #options: EnvoyRoomOptions;
  readonly #refusals = new Refusals();
  #cancel = () => {};
  #hasStopped = false;
  #isNearlyFull = false;
  /** Looks without an answer since the last one with. */
  #failures = 0;
  #last: EnvoyRoom | undefined;
  /** Of the Envoy on that socket; undefined: not asked yet. */
  #limit: { adminSocket: string; most: Promise<number | undefined> } | undefined;

  constructor(options: EnvoyRoomOptions) {
    this.#options = options;
  }

  /** What was found last; undefined while Envoy does not answer. */
  get last(): EnvoyRoom | undefined {
    return this.#last;
  }

  /** On the same socket, its limit may be another than that of the one before. */
  envoyConnected(): void {
    this.#limit = undefined;
  }

  /** Returns a function that stops it. */
  start(): () => void {
    this.#lookIn(EVERY_MS);
    return () => {
      this.#hasStopped = true;
      this.#cancel();
    };
  }

  #lookIn(delayMs: number): void {
    if (this.#hasStopped) return;
    this.#cancel = this.#options.clock.after(delayMs, () => void this.#look());
  }

  async #look(): Promise<void> {
    const { clock, report } = this.#options;
    const before = clock.now();
    this.#last = await this.#read().catch(() => undefined);
    const now = clock.now();
    if (!this.#hasStopped && this.#last) report(this.#problems(this.#last, now));
    this.#failures = this.#last ? 0 : this.#failures + 1;
    const rest = Math.max(EVERY_MS, (now - before) / MOST_SHARE);
    const soon = this.#failures === 0 ? rest : EVERY_MS * 2 ** (this.#failures - 1);
    this.#lookIn(Math.min(rest, soon));
  }

  async #read(): Promise<EnvoyRoom> {
    const { reader = ADMIN_READER } = this.#options;
    const adminSocket = this.#options.adminSocket();
    const counts = await reader.counts(adminSocket);
    if (this.#limit?.adminSocket !== adminSocket) {
      this.#limit = { adminSocket, most: reader.limit(adminSocket) };
    }
    const limit = await this.#limit.most.catch((error) => {
      this.#limit = undefined;
      throw error;
    });
    return { ...counts, limit };
  }

  /** The sentences stay the same while a problem lasts: each is logged once. */
  #problems({ open, limit, refused }: EnvoyRoom, now: number): Problem[] {
    const { nodeName } = this.#options;
    const share = limit === undefined ? 0 : open.tcp / limit;
    this.#isNearlyFull = share >= (this.#isNearlyFull ? ROOM_AGAIN : NEARLY_FULL);
    this.#refusals.note(refused, now, this.#isNearlyFull);
    const { tcp, udp } = this.#refusals.within(now - REFUSAL_LASTS_MS);
    return [
      ...(tcp ? [refusing(nodeName, limit)] : []),
      ...(this.#isNearlyFull && !tcp ? [nearlyFull(nodeName, limit)] : []),
      ...udp.map(refusingFlows),
    ];
  }
}

/** When which count last grew. A count that shrinks is another Envoy's. */
class Refusals {
  #before: Refused | undefined;
  #tcpAt = Number.NEGATIVE_INFINITY;
  readonly #udpAt = new Map<string, number>();

  /** The first counts may be those of an hour ago, unless Envoy is still nearly full. */
  note(refused: Refused, now: number, isNearlyFull: boolean): void {
    const before = this.#before ?? (isNearlyFull ? { ...refused, tcp: 0 } : refused);
    this.#before = refused;
    if (refused.tcp > before.tcp) this.#tcpAt = now;
    for (const [cluster, count] of refused.udp) {
      if (count > (before.udp.get(cluster) ?? 0)) this.#udpAt.set(cluster, now);
    }
  }

  within(since: number): { tcp: boolean; udp: string[] } {
    for (const [cluster, at] of this.#udpAt) if (at < since) this.#udpAt.delete(cluster);
    return { tcp: this.#tcpAt >= since, udp: [...this.#udpAt.keys()].sort() };
  }
}

const ADMIN_READER: EnvoyRoomReader = { counts: openAndRefused, limit: connectionLimitOf };

const REMEDY =
  "give Envoy more descriptors (LimitNOFILE=, ulimit -n) and replace it, or find what holds " +
  "them: portico_service_connections_active";

function refusing(nodeName: string, limit: number | undefined): Problem {
  const message =
    `Envoy has as many connections as its descriptors suffice for (${limit}), and closes new ` +
    `ones at once; those that are open stay. To carry more, ${REMEDY}`;
  return { object: `Node ${nodeName}`, message, reason: "EnvoyFull" };
}

function nearlyFull(nodeName: string, limit: number | undefined): Problem {
  const message =
    `Envoy has more than ${ROOM_AGAIN * 100} % of the ${limit} connections that its descriptors ` +
    `suffice for; at all of them it closes new ones at once. To carry more, ${REMEDY}`;
  return { object: `Node ${nodeName}`, message, reason: "EnvoyNearlyFull" };
}

/** "udp/shop/dns/dns-udp/IPv4/internal" (controller/xds/udp-target.ts). */
function refusingFlows(cluster: string): Problem {
  const [, namespace, name] = cluster.split("/");
  const message =
    `more UDP flows at once than one list of endpoints may have (${cluster}): clients on new ` +
    "ports get no answer until others end; give the node more local ports " +
    "(net.ipv4.ip_local_port_range) and Envoy more descriptors, or let clients reuse their ports";
  return { object: `Service ${namespace}/${name}`, message, reason: "UDPFlowsRefused" };
}
