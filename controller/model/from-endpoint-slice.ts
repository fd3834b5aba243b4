// An EndpointSlice as the API or a YAML file has it → an EndpointSlice of the model. Absent
// conditions mean the same as in kube-proxy (endpointslicecache.go): ready and serving by default,
// terminating only when set.

import { familyOf, parseAddress } from "./ip.ts";
import {
  hasKey,
  keptList,
  listOf,
  ObjectReader,
  type Parsed,
  recordOf,
  shown,
  textOf,
} from "./json.ts";
import type { Endpoint, EndpointPort, EndpointSlice, IPFamily } from "./types.ts";

/** Shared by the many endpoints that have none. */
const NO_HINTS: readonly string[] = Object.freeze([]);

/**
 * Returns no value for a slice without a name, or with host names instead of addresses (addressType
 * FQDN), which a Service proxy ignores. Leaves out bad ports and endpoints, each with a problem; a
 * port without a number, which Kubernetes allows and kube-proxy ignores (endpointslicecache.go),
 * with a harmless one.
 */
export function endpointSliceFromObject(json: unknown): Parsed<EndpointSlice> {
  const reader = new ObjectReader("EndpointSlice", json, true);
  const { addressType } = reader.root;
  if (addressType === "FQDN") return { value: undefined, problems: reader.problems };
  if (addressType !== "IPv4" && addressType !== "IPv6") {
    reader.problem(`addressType is ${shown(addressType)}; it must be IPv4, IPv6 or FQDN`);
    return { value: undefined, problems: reader.problems };
  }
  return reader.result({
    namespace: reader.namespace,
    name: reader.name,
    serviceName: textOf(reader.labels["kubernetes.io/service-name"]),
    addressType,
    ports: endpointPorts(reader),
    endpoints: endpoints(reader, addressType),
    headlessLabel: hasKey(reader.labels, "service.kubernetes.io/headless"),
    lastChangeTriggerTime: lastChangeTriggerTime(reader),
  });
}

function endpointPorts(reader: ObjectReader): EndpointPort[] {
  const ports: EndpointPort[] = [];
  for (const [index, item] of listOf(reader.root.ports).entries()) {
    const record = recordOf(item);
    const field = `ports[${index}]`;
    if (isNumberOfNoPort(record.port)) {
      const given = `${field}.port is ${shown(record.port)}`;
      reader.leftOut(`${given}: this port is ignored; set a number from 1 to 65535`);
      continue;
    }
    const before = reader.problems.length;
    const port = reader.port(`${field}.port`, record.port, 1);
    const protocol = reader.oneOf(`${field}.protocol`, record.protocol, ["TCP", "UDP", "SCTP"]);
    if (reader.problems.length > before || port === undefined) continue;
    ports.push({ name: textOf(record.name), protocol, port });
  }
  return keptList(ports);
}

/** The API server accepts any whole number of 32 bits, and none. */
function isNumberOfNoPort(port: unknown): boolean {
  if (port === undefined || port === null) return true;
  if (typeof port !== "number" || (port | 0) !== port) return false;
  return port < 1 || port > 65_535;
}

function endpoints(reader: ObjectReader, family: IPFamily): Endpoint[] {
  const all: Endpoint[] = [];
  for (const [index, item] of listOf(reader.root.endpoints).entries()) {
    const record = recordOf(item);
    const text = listOf(record.addresses)[0];
    const address = parseAddress(textOf(text));
    if (address === undefined || familyOf(address) !== family) {
      const field = `endpoints[${index}].addresses[0]`;
      reader.problem(`${field} is ${shown(text)}; it must be an ${family} address`);
    } else all.push(endpoint(address, record));
  }
  return keptList(all);
}

function endpoint(address: string, record: ReturnType<typeof recordOf>): Endpoint {
  const conditions = recordOf(record.conditions);
  const hints = recordOf(record.hints);
  return {
    address,
    ready: conditions.ready !== false,
    serving: conditions.serving !== false,
    terminating: conditions.terminating === true,
    nodeName: textOf(record.nodeName),
    zone: textOf(record.zone),
    zoneHints: hintNames(hints.forZones),
    nodeHints: hintNames(hints.forNodes),
    podName: podName(record.targetRef),
  };
}

function podName(targetRef: unknown): string | undefined {
  const { kind, name } = recordOf(targetRef);
  return kind === "Pod" ? textOf(name) || undefined : undefined;
}

function hintNames(hints: unknown): readonly string[] {
  const list = listOf(hints);
  if (list.length === 0) return NO_HINTS;
  return list.map((hint) => textOf(recordOf(hint).name)).filter((name) => name !== "");
}

function lastChangeTriggerTime(reader: ObjectReader): number {
  const text = textOf(reader.annotations["endpoints.kubernetes.io/last-change-trigger-time"]);
  return text === "" ? 0 : Date.parse(text) || 0;
}
