// A Service as the API or a YAML file has it → a Service of the model. Defaults are those that the
// API server would have set. node/ decides which Services are served.

import { parseAddress, parseCIDR } from "./ip.ts";
import {
  hasKey,
  keptList,
  listOf,
  ObjectReader,
  type Parsed,
  recordOf,
  shown,
  textOf,
  textsOf,
} from "./json.ts";
import { serviceSettings } from "./service-settings.ts";
import type { LoadBalancerIngress, Service, ServicePort } from "./types.ts";

const HEADLESS = "None";
/** Default of spec.sessionAffinityConfig.clientIP.timeoutSeconds: three hours. */
const DEFAULT_AFFINITY_SECONDS = 10_800;

/** Returns no value without a name. Leaves out bad ports and addresses, each with a problem. */
export function serviceFromObject(json: unknown): Parsed<Service> {
  const reader = new ObjectReader("Service", json, true);
  const { labels, spec } = reader;
  const addresses = listedClusterIPs(reader);
  const headless = addresses.includes(HEADLESS);
  const type = reader.oneOf("spec.type", spec.type, [
    "ClusterIP",
    "NodePort",
    "LoadBalancer",
    "ExternalName",
  ]);
  const service: Service = {
    namespace: reader.namespace,
    name: reader.name,
    type,
    clusterIPs: headless
      ? keptList([])
      : reader.parsedTexts("spec.clusterIPs", addresses, parseAddress),
    headless,
    ports: servicePorts(reader),
    externalIPs: reader.parsedTexts("spec.externalIPs", listOf(spec.externalIPs), parseAddress),
    loadBalancerIngress: loadBalancerIngress(reader),
    loadBalancerSourceRanges: sourceRanges(reader),
    internalTrafficPolicy: trafficPolicy(reader, "internalTrafficPolicy"),
    externalTrafficPolicy: trafficPolicy(reader, "externalTrafficPolicy"),
    affinityTimeoutSeconds: affinityTimeoutSeconds(reader),
    settings: serviceSettings(reader),
    healthCheckNodePort:
      reader.port("spec.healthCheckNodePort", spec.healthCheckNodePort ?? 0, 0) ?? 0,
    serviceProxyName: label(labels, "service.kubernetes.io/service-proxy-name"),
    selector: spec.selector ? textsOf(spec.selector) : undefined,
    publishNotReadyAddresses: spec.publishNotReadyAddresses === true,
    uid: textOf(reader.metadata.uid),
  };
  return reader.result(service);
}

function label(labels: ObjectReader["labels"], key: string): string | undefined {
  return hasKey(labels, key) ? textOf(labels[key]) : undefined;
}

/** spec.clusterIPs, or spec.clusterIP where only that is given, as in most manifests. */
function listedClusterIPs(reader: ObjectReader): readonly unknown[] {
  const { clusterIP, clusterIPs } = reader.spec;
  const list = listOf(clusterIPs);
  if (list.length > 0) return list;
  return clusterIP === undefined || clusterIP === null || clusterIP === "" ? [] : [clusterIP];
}

function trafficPolicy(
  reader: ObjectReader,
  field: "internalTrafficPolicy" | "externalTrafficPolicy",
) {
  return reader.oneOf(`spec.${field}`, reader.spec[field], ["Cluster", "Local"]);
}

function servicePorts(reader: ObjectReader): ServicePort[] {
  const ports: ServicePort[] = [];
  for (const [index, item] of listOf(reader.spec.ports).entries()) {
    const record = recordOf(item);
    const field = `spec.ports[${index}]`;
    const before = reader.problems.length;
    const port = reader.port(`${field}.port`, record.port, 1);
    const nodePort = reader.port(`${field}.nodePort`, record.nodePort ?? 0, 0);
    const protocol = reader.oneOf(`${field}.protocol`, record.protocol, ["TCP", "UDP", "SCTP"]);
    if (reader.problems.length > before || port === undefined) continue;
    ports.push({ name: textOf(record.name), protocol, port, nodePort: nodePort ?? 0 });
  }
  return keptList(ports);
}

/** A proxy ignores ingress points without an address (only a hostname). */
function loadBalancerIngress(reader: ObjectReader): LoadBalancerIngress[] {
  const ingress: LoadBalancerIngress[] = [];
  for (const item of listOf(recordOf(reader.status.loadBalancer).ingress)) {
    const record = recordOf(item);
    if (textOf(record.ip) === "") continue;
    const [ip] = reader.parsedTexts("status.loadBalancer.ingress", [record.ip], parseAddress);
    const ipMode = record.ipMode === "Proxy" ? "Proxy" : "VIP";
    if (ip !== undefined) ingress.push({ ip, ipMode });
  }
  return keptList(ingress);
}

/** The API server's validation allows spaces around a range. */
function sourceRanges(reader: ObjectReader): string[] {
  const ranges = listOf(reader.spec.loadBalancerSourceRanges);
  return reader.parsedTexts("spec.loadBalancerSourceRanges", ranges, parseCIDR);
}

function affinityTimeoutSeconds(reader: ObjectReader): number {
  const { sessionAffinity, sessionAffinityConfig } = reader.spec;
  const affinity = reader.oneOf("spec.sessionAffinity", sessionAffinity, ["None", "ClientIP"]);
  if (affinity === "None") return 0;
  const seconds = recordOf(recordOf(sessionAffinityConfig).clientIP).timeoutSeconds;
  if (seconds === undefined || seconds === null) return DEFAULT_AFFINITY_SECONDS;
  if (typeof seconds === "number" && Number.isInteger(seconds) && seconds > 0 && seconds <= 86_400)
    return seconds;
  const field = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
  reader.problem(`${field} is ${shown(seconds)}; it must be from 1 to 86400`);
  return DEFAULT_AFFINITY_SECONDS;
}
