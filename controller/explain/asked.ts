// What operators type (a client, and what it dials) → addresses. Errors suggest what exists.

import { objectKey } from "../model/cluster-state.ts";
import { addressAndPort, familyOf, parseAddress } from "../model/ip.ts";
import type { IPFamily, Protocol, Service, ServicePort } from "../model/types.ts";
import { CARRIED_PROTOCOLS } from "../node/carried.ts";
import { shortfallOf, whyNotServed } from "../node/frontends.ts";
import { type KnownCluster, podsOf } from "./known-cluster.ts";
import { didYouMean } from "./nearest.ts";

/** The question cannot be explained; `message` is for the operator who asked. */
export class ExplainError extends Error {
  override readonly name = "ExplainError";
}

export interface AskedTexts {
  /** A Pod as namespace/name, an address, or undefined for a process of this node. */
  from: string | undefined;
  /** namespace/name[:port][/protocol] of a Service, or address:port[/protocol]. */
  to: string;
}

export interface Asked {
  /** Undefined for a process of this node: the kernel chooses its address. */
  client: string | undefined;
  address: string;
  port: number;
  protocol: Protocol;
}

/**
 * Throws ExplainError. `podAddresses`: of a Pod, whether slices name it or not; none if unknown.
 */
export function askedFromTexts(
  texts: AskedTexts,
  known: KnownCluster,
  podAddresses: (pod: string) => readonly string[] = () => [],
): Asked {
  const clients = texts.from === undefined ? [] : clientsFrom(texts.from, known, podAddresses);
  const target = targetFrom(texts.to, known, [...new Set(clients.map(familyOf))]);
  const family = familyOf(target.address);
  const client = clients.find((address) => familyOf(address) === family);
  if (clients.length > 0 && client === undefined) {
    const have = `${texts.from} is ${clients.join(", ")}`;
    throw new ExplainError(`${have}, and ${target.address} is ${family}: give both of one family`);
  }
  return { client, ...target };
}

const SERVICE =
  /^(?<namespace>[^/:]+)\/(?<name>[^/:]+)(?::(?<port>[^/:]+))?(?:\/(?<protocol>\w+))?$/;
const PLACE = /^(?:\[(?<v6>[^\]]+)\]|(?<v4>[^[\]:/]+)):(?<port>\d+)(?:\/(?<protocol>\w+))?$/;
const POD = /^[^/:]+\/[^/:]+$/;

function clientsFrom(
  text: string,
  known: KnownCluster,
  podAddresses: (pod: string) => readonly string[],
): string[] {
  const address = parseAddress(text.replace(/^\[(.*)\]$/, "$1"));
  if (address !== undefined) return [address];
  if (!POD.test(text)) {
    throw new ExplainError(`--from ${text}: give an address, or a Pod as NAMESPACE/NAME`);
  }
  const pods = [...podsOf(known)];
  const own = pods.filter(({ pod }) => pod === text).map((pod) => pod.address);
  const addresses = [...new Set([...own, ...podAddresses(text)])];
  if (addresses.length > 0) return addresses;
  const near = didYouMean(
    text,
    pods.map(({ pod }) => pod).filter((pod) => pod !== undefined),
  );
  const hint = `give its address instead: kubectl get pod ${text.split("/")[1]} -o wide`;
  const unknown = `no EndpointSlice names such a Pod${near}, and Portico watches no Pods`;
  throw new ExplainError(`--from ${text}: ${unknown}; ${hint}`);
}

type Target = Omit<Asked, "client">;

function targetFrom(text: string, known: KnownCluster, families: readonly IPFamily[]): Target {
  const place = PLACE.exec(text)?.groups;
  const address = place && parseAddress(place.v6 ?? place.v4 ?? "");
  if (place && address !== undefined) {
    const protocol = protocolFrom(place.protocol ?? "TCP");
    if (!CARRIED_PROTOCOLS.includes(protocol)) {
      throw new ExplainError(`${text}: Portico does not carry ${protocol}; it leaves it alone`);
    }
    return { address, port: portFrom(place.port ?? "", text), protocol };
  }
  const parts = SERVICE.exec(text)?.groups;
  if (parts) return ofService(text, parts as unknown as ServiceParts, known, families);
  const named = [...known.state.services.keys()].filter((key) => key.endsWith(`/${text}`));
  const hint = named.length > 0 ? `: ${named.join(", ")}?` : ", or ADDRESS:PORT";
  throw new ExplainError(`${text}: give a Service as NAMESPACE/NAME[:PORT]${hint}`);
}

function protocolFrom(text: string): Protocol {
  const protocol = text.toUpperCase();
  if (protocol === "TCP" || protocol === "UDP" || protocol === "SCTP") return protocol;
  throw new ExplainError(`${text}: a protocol is TCP, UDP or SCTP`);
}

function portFrom(text: string, whole: string): number {
  const port = Number(text);
  if (port >= 1 && port <= 65_535) return port;
  throw new ExplainError(`${whole}: a port is from 1 to 65535`);
}

interface ServiceParts {
  namespace: string;
  name: string;
  port: string | undefined;
  protocol: string | undefined;
}

function ofService(
  text: string,
  parts: ServiceParts,
  known: KnownCluster,
  families: readonly IPFamily[],
): Target {
  const key = objectKey(parts);
  const service = known.state.services.get(key);
  if (!service) throw new ExplainError(`no Service ${key}${nearServices(parts, known)}`);
  const why = whyNotServed(service, known.serviceProxyName);
  if (why) throw new ExplainError(`Portico does not serve Service ${key}: ${why}`);
  const port = portOf(text, service, parts);
  if (!CARRIED_PROTOCOLS.includes(port.protocol)) {
    throw new ExplainError(`Service ${key}: ${shortfallOf(port, known.node)?.message}`);
  }
  const usable = service.clusterIPs.filter((address) => {
    return families.length === 0 || families.includes(familyOf(address));
  });
  const [address] = usable;
  if (address !== undefined) return { address, port: port.port, protocol: port.protocol };
  const own = service.clusterIPs.join(", ");
  throw new ExplainError(`Service ${key} has no ${families.join(" or ")} address: it is ${own}`);
}

/** Returns Services of the same name in other namespaces first, then those with similar names. */
function nearServices({ namespace, name }: ServiceParts, known: KnownCluster): string {
  const keys = [...known.state.services.keys()];
  const elsewhere = keys.filter((key) => key.endsWith(`/${name}`));
  if (elsewhere.length > 0) return ` (there is ${elsewhere.sort().join(", ")})`;
  return didYouMean(`${namespace}/${name}`, keys);
}

function portOf(text: string, service: Service, { port, protocol }: ServiceParts): ServicePort {
  const wanted = protocol === undefined ? undefined : protocolFrom(protocol);
  const fits = service.ports.filter((each) => {
    const isNamed = port === undefined || each.name === port || String(each.port) === port;
    return isNamed && (wanted === undefined || each.protocol === wanted);
  });
  const [only] = fits;
  if (only && fits.length === 1) return only;
  const key = objectKey(service);
  const all = service.ports.map((each) => `${key}:${each.name || each.port}/${each.protocol}`);
  if (service.ports.length === 0) throw new ExplainError(`Service ${key} has no port`);
  const problem = only ? "that is more than one port" : "it has no such port";
  throw new ExplainError(`${text}: ${problem}; give one of ${all.join(", ")}`);
}

/** "10.96.0.10:80/TCP" */
export function placeOfAsked({ address, port, protocol }: Target): string {
  return `${addressAndPort(address, port)}/${protocol}`;
}
