// What must become of a connection, by the words of the Kubernetes documentation, written the
// simplest way: every question looks at every object again. It shares no code with the controller,
// so that both being wrong in the same way takes two mistakes.
//
// Sources: kubernetes.io "Service", "EndpointSlices", "Virtual IPs and Service Proxies",
// "Service Internal Traffic Policy", "Topology Aware Routing", and the API reference of the fields.

import type { KubernetesObject, Outcome } from "./case.ts";
import type { CaseRunner } from "./run.ts";
import { type ClientName, clientAddress, THIS_NODE } from "./topology.ts";

// biome-ignore lint/suspicious/noExplicitAny: the objects are read as they stand in YAML
type Json = any;

export class NaivePicker implements CaseRunner {
  #objects: readonly Json[] = [];

  apply(objects: readonly KubernetesObject[]): void {
    this.#objects = objects;
  }

  outcome(from: ClientName, to: string): Outcome {
    const [address = "", portText] = to.split(":");
    const port = Number(portText);
    for (const service of this.#servedServices()) {
      for (const servicePort of tcpPorts(service)) {
        if (clusterIPv4(service) === address && servicePort.port === port) {
          return this.#answer(from, service, servicePort, "cluster IP");
        }
        if (this.#nodeIP() === address && servicePort.nodePort === port) {
          return this.#answer(from, service, servicePort, "node port");
        }
      }
    }
    // "For traffic to a cluster IP on a port that is not defined: rejected."
    if (this.#servedServices().some((each) => clusterIPv4(each) === address)) return "refused";
    const cidrs = this.#ofKind("ServiceCIDR").flatMap(({ spec }) => spec.cidrs);
    return cidrs.some((cidr) => contains(cidr, address)) ? "dropped" : "untouched";
  }

  #ofKind(kind: string): Json[] {
    return this.#objects.filter((each) => each.kind === kind);
  }

  /** With a virtual IP, and without the labels that tell service proxies to keep off. */
  #servedServices(): Json[] {
    return this.#ofKind("Service").filter(({ metadata, spec }) => {
      const labels = Object.keys(metadata.labels ?? {});
      if (labels.includes("service.kubernetes.io/service-proxy-name")) return false;
      if (labels.includes("service.kubernetes.io/headless")) return false;
      if (spec.type === "ExternalName") return false;
      return spec.clusterIP !== undefined && spec.clusterIP !== "" && spec.clusterIP !== "None";
    });
  }

  #thisNode(): Json {
    return this.#ofKind("Node").find(({ metadata }) => metadata.name === THIS_NODE);
  }

  #nodeIP(): string {
    const { addresses } = this.#thisNode().status;
    return addresses.find((each: Json) => each.type === "InternalIP").address;
  }

  #answer(from: ClientName, service: Json, servicePort: Json, through: string): Outcome {
    const all = this.#endpoints(service, servicePort);
    const isLocal = ({ endpoint }: Listed) => endpoint.nodeName === THIS_NODE;
    const wantsLocal = through === "cluster IP" && service.spec.internalTrafficPolicy === "Local";
    const usable = wantsLocal ? readyOrTerminating(all.filter(isLocal)) : this.#hinted(all);
    // "Local: if there are no local endpoints, traffic is dropped", even if others exist.
    if (usable.length === 0) return readyOrTerminating(all).length === 0 ? "refused" : "dropped";
    const client = clientAddress(from);
    const keepsSource = through === "cluster IP";
    const source = (backend: string) =>
      keepsSource && !backend.startsWith(`${client}:`) ? client : this.#nodeIP();
    return new Map(usable.map(({ backend }) => [backend, source(backend)]));
  }

  /** "EndpointSlices for a Service are found by the label"; "duplicates may exist, be tolerant". */
  #endpoints(service: Json, servicePort: Json): Listed[] {
    const listed: Listed[] = [];
    for (const slice of this.#ofKind("EndpointSlice")) {
      const { namespace, labels } = slice.metadata;
      if (namespace !== service.metadata.namespace || slice.addressType !== "IPv4") continue;
      if (labels["kubernetes.io/service-name"] !== service.metadata.name) continue;
      if ("service.kubernetes.io/headless" in labels) continue;
      for (const port of slice.ports) {
        if ((port.name ?? "") !== (servicePort.name ?? "")) continue;
        if ((port.protocol ?? "TCP") !== "TCP") continue;
        for (const endpoint of slice.endpoints) {
          listed.push({ endpoint, backend: `${endpoint.addresses[0]}:${port.port}` });
        }
      }
    }
    return listed;
  }

  /** "When all endpoints have hints", those for this node, else those for this zone, else all. */
  #hinted(all: readonly Listed[]): Listed[] {
    const ready = all.filter(isReady);
    const zone = this.#thisNode().metadata.labels["topology.kubernetes.io/zone"];
    for (const [field, name] of [
      ["forNodes", THIS_NODE],
      ["forZones", zone],
    ]) {
      const hints = ({ endpoint }: Listed): Json[] => endpoint.hints?.[field] ?? [];
      const mine = ready.filter((each) => hints(each).some((hint) => hint.name === name));
      if (mine.length > 0 && ready.every((each) => hints(each).length > 0)) return mine;
    }
    return readyOrTerminating(all);
  }
}

interface Listed {
  endpoint: Json;
  backend: string;
}

/** "A nil value should be interpreted as true." */
function isReady({ endpoint }: Listed): boolean {
  return endpoint.conditions?.ready ?? true;
}

/** "If there are no ready endpoints, those that are serving and terminating are used." */
function readyOrTerminating(all: readonly Listed[]): Listed[] {
  const ready = all.filter(isReady);
  if (ready.length > 0) return ready;
  return all.filter(({ endpoint }) => {
    return (endpoint.conditions?.serving ?? true) && (endpoint.conditions?.terminating ?? false);
  });
}

function tcpPorts(service: Json): Json[] {
  return service.spec.ports.filter((port: Json) => (port.protocol ?? "TCP") === "TCP");
}

function clusterIPv4(service: Json): string | undefined {
  const all: string[] = service.spec.clusterIPs ?? [service.spec.clusterIP];
  const text = all.find((address) => address.includes("."));
  return text?.split(".").map(Number).join(".");
}

function contains(cidr: string, address: string): boolean {
  const [network = "", bits] = cidr.split("/");
  const number = (text: string) =>
    text.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - Number(bits));
  return Math.floor(number(network) / size) === Math.floor(number(address) / size);
}
