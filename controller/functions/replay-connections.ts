// The connections and backends of a replay: made from a seed, or read from a flow log
// (`portico run --flow-log`).

import { addressAndPort, parseAddress } from "../model/ip.ts";

export interface ReplayBackend {
  /** Canonical, as in model/ip.ts. */
  readonly address: string;
  readonly port: number;
  /** 0: the Service's own; see Backend.group in the API. */
  readonly group: number;
  /** A zone by number, from 1. */
  readonly zone: number;
  readonly isLocal: boolean;
}

export interface ReplayConnection {
  readonly client: string;
  readonly clientPort: number;
}

export interface Traffic {
  readonly backends: readonly ReplayBackend[];
  readonly connections: readonly ReplayConnection[];
}

export interface MadeTraffic {
  readonly connections: number;
  readonly clients: number;
  /** How many backends each group has, the Service's own first. */
  readonly groups: readonly number[];
  readonly isIPv6: boolean;
}

const ZONES = 3;
const PORT = 8080;
const FIRST_CLIENT_PORT = 32_768;
const CLIENT_PORTS = 28_232;

/** Returns "10.1.0.1:8080". */
export function backendName({ address, port }: ReplayBackend): string {
  return addressAndPort(address, port);
}

/** Makes traffic; `random` gives whole numbers below its argument. */
export function makeTraffic(made: MadeTraffic, random: (limit: number) => number): Traffic {
  const backends = made.groups.flatMap((size, group) =>
    Array.from({ length: size }, (_, index) => ({
      address: made.isIPv6 ? `fd00:1:${group}::${hex(index + 1)}` : ipv4(10, 1 + group, index + 1),
      port: PORT,
      group,
      zone: 1 + (index % ZONES),
      isLocal: index % 4 === 0,
    })),
  );
  const connections = Array.from({ length: made.connections }, () => {
    const client = random(made.clients);
    return {
      client: made.isIPv6 ? `fd00:200::${hex(client + 1)}` : ipv4(10, 200, client + 1),
      clientPort: FIRST_CLIENT_PORT + random(CLIENT_PORTS),
    };
  });
  return { backends, connections };
}

function hex(number: number): string {
  return number.toString(16);
}

function ipv4(first: number, second: number, index: number): string {
  return `${first}.${second}.${(index >> 8) & 0xff}.${index & 0xff}`;
}

interface FlowLine {
  protocol?: unknown;
  client?: unknown;
  service?: unknown;
  backend?: unknown;
  attempted?: unknown;
}

/**
 * Reads a flow log: its TCP connections, and the backends that they got or tried. `service`: only
 * those of "namespace/name" or "namespace/name:port"; all when undefined. What the log does not
 * have, such as zones, is made up by the order of the addresses.
 * Throws for a line that is not JSON.
 */
export function readFlowLog(text: string, service: string | undefined): Traffic {
  const connections: ReplayConnection[] = [];
  const places = new Set<string>();
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const flow = parseLine(line, index + 1);
    if (flow.protocol !== "TCP" || !isOf(flow, service)) continue;
    const client = parsePlace(flow.client);
    if (client) connections.push({ client: client.address, clientPort: client.port });
    for (const place of placesOf(flow)) places.add(place);
  }
  const backends = [...places].sort().flatMap((place, index) => {
    const parsed = parsePlace(place);
    return parsed
      ? [{ ...parsed, group: 0, zone: 1 + (index % ZONES), isLocal: index % 4 === 0 }]
      : [];
  });
  if (connections.length === 0 || backends.length === 0) {
    throw new Error("the flow log has no TCP connection with a backend of that Service");
  }
  return { backends, connections };
}

function parseLine(line: string, number: number): FlowLine {
  try {
    return (JSON.parse(line) ?? {}) as FlowLine;
  } catch {
    throw new Error(`line ${number} of the flow log is not JSON: ${line.slice(0, 60)}`);
  }
}

function isOf({ service }: FlowLine, wanted: string | undefined): boolean {
  if (wanted === undefined) return true;
  return service === wanted || (typeof service === "string" && service.startsWith(`${wanted}:`));
}

function placesOf({ backend, attempted }: FlowLine): string[] {
  const texts = [backend, attempted].filter((each) => typeof each === "string");
  return texts.flatMap((text) => text.split(",")).filter((text) => text !== "" && text !== "-");
}

const PLACE = /^\[?(?<address>[^\]]+?)\]?:(?<port>\d+)$/;

function parsePlace(place: unknown): { address: string; port: number } | undefined {
  const { address = "", port } = PLACE.exec(typeof place === "string" ? place : "")?.groups ?? {};
  const parsed = parseAddress(address);
  return parsed === undefined ? undefined : { address: parsed, port: Number(port) };
}
