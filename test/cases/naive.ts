// What must become of a connection, by the words of the Kubernetes documentation, written the
// simplest way: every question looks at every object again. It shares no code with the controller,
// so that both being wrong in the same way takes two mistakes.
//
// Sources: kubernetes.io "Service", "EndpointSlices", "Virtual IPs and Service Proxies",
// "Service Internal Traffic Policy", "Topology Aware Routing", "Create an External Load Balancer",
// and the API reference of the fields.

import type { KubernetesObject, Outcome } from "./case.ts";
import { contains, isIPv6, sameAddress } from "./naive-addresses.ts";
import { type Json, type Listed, listedEndpoints, readyOrTerminating } from "./naive-endpoints.ts";
import type { CaseRunner } from "./run.ts";
import { type ClientName, clientAddress, isLocalPod, partsOf, THIS_NODE } from "./topology.ts";

/** Through what a Service was dialled. */
type Door = "cluster IP" | "node port" | "external IP" | "load balancer";

export class NaivePicker implements CaseRunner {
  #objects: readonly Json[] = [];

  apply(objects: readonly KubernetesObject[]): void {
    this.#objects = objects;
  }

  outcome(from: ClientName, to: string, protocol: string): Outcome {
    const { address, port } = partsOf(to);
    const services = this.#servedServices(address);
    for (const service of services) {
      for (const each of service.spec.ports) {
        if ((each.protocol ?? "TCP") !== protocol) continue;
        const door = this.#door(service, each, address, port);
        if (door) return this.#through(door, from, address, service, each);
      }
    }
    // "For traffic to a cluster IP on a port that is not defined: rejected."
    if (services.some((each) => isClusterIP(each, address))) return "refused";
    const cidrs = this.#ofKind("ServiceCIDR").flatMap(({ spec }) => spec.cidrs);
    return cidrs.some((cidr) => contains(cidr, address)) ? "dropped" : "untouched";
  }

  #ofKind(kind: string): Json[] {
    return this.#objects.filter((each) => each.kind === kind);
  }

  /** With a virtual IP of the family, and without the label that tells proxies to keep off. */
  #servedServices(address: string): Json[] {
    return this.#ofKind("Service").filter((service) => {
      const labels = Object.keys(service.metadata.labels ?? {});
      if (labels.includes("service.kubernetes.io/service-proxy-name")) return false;
      if (service.spec.type === "ExternalName") return false;
      return clusterIPs(service).some((ip) => isIPv6(ip) === isIPv6(address));
    });
  }

  #door(service: Json, servicePort: Json, address: string, port: number): Door | undefined {
    if (servicePort.port === port) {
      if (isClusterIP(service, address)) return "cluster IP";
      if (loadBalancerIPs(service).includes(address)) return "load balancer";
      if (service.spec.externalIPs?.includes(address)) return "external IP";
    }
    const isMine = this.#nodeIP(address) === address;
    return isMine && servicePort.nodePort === port ? "node port" : undefined;
  }

  #thisNode(): Json {
    return this.#ofKind("Node").find(({ metadata }) => metadata.name === THIS_NODE);
  }

  /** Of the family of `like`. */
  #nodeIP(like: string): string {
    const { addresses } = this.#thisNode().status;
    return addresses
      .filter((each: Json) => each.type === "InternalIP")
      .map((each: Json) => each.address)
      .find((address: string) => isIPv6(address) === isIPv6(like));
  }

  #through(door: Door, from: ClientName, to: string, service: Json, servicePort: Json): Outcome {
    if (door === "load balancer" && !this.#isAllowed(from, to, service)) return "dropped";
    const family = isIPv6(to) ? "IPv6" : "IPv4";
    const slices = this.#ofKind("EndpointSlice");
    const all = listedEndpoints(slices, service, servicePort, family);
    if (readyOrTerminating(all).length === 0) return "refused";
    const policy = this.#policyFor(door, from, service);
    const usable = policy === "Local" ? readyOrTerminating(all.filter(isLocal)) : this.#hinted(all);
    // "Local: if there are no local endpoints, traffic is dropped", even if others exist.
    if (usable.length === 0) return "dropped";
    const client = clientAddress(from, family);
    const source = (backend: string) =>
      this.#keepsSource(door, from, service) && partsOf(backend).address !== client
        ? client
        : this.#nodeIP(to);
    const backends = usable.map(({ backend }) => [backend, source(backend)] as const);
    const isAffine = service.spec.sessionAffinity === "ClientIP";
    return new Map(isAffine ? backends.slice(0, 1) : backends);
  }

  /** Who is on this node goes "up and out" and comes in again: to any endpoint. */
  #policyFor(door: Door, from: ClientName, service: Json): "Cluster" | "Local" {
    const { internalTrafficPolicy, externalTrafficPolicy } = service.spec;
    if (door === "cluster IP") return internalTrafficPolicy ?? "Cluster";
    return from === "host" || isLocalPod(from) ? "Cluster" : (externalTrafficPolicy ?? "Cluster");
  }

  /** Local "preserves the client source IP"; Cluster hides it; Pods keep theirs among them. */
  #keepsSource(door: Door, from: ClientName, service: Json): boolean {
    if (from === "host") return false;
    if (door === "cluster IP") return isLocalPod(from);
    return service.spec.externalTrafficPolicy === "Local";
  }

  /** "Traffic will be restricted to these client IPs", and the node must not lock itself out. */
  #isAllowed(from: ClientName, to: string, service: Json): boolean {
    const listed: string[] = service.spec.loadBalancerSourceRanges ?? [];
    const ranges = listed.map((each) => each.trim()).filter((each) => isIPv6(each) === isIPv6(to));
    const client = clientAddress(from, isIPv6(to) ? "IPv6" : "IPv4");
    return ranges.length === 0 || ranges.some((range) => contains(range, client));
  }

  /** "When all endpoints have hints", those for this node, else those for this zone, else all. */
  #hinted(all: readonly Listed[]): Listed[] {
    const ready = all.filter(({ endpoint }) => endpoint.conditions?.ready ?? true);
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

function isLocal({ endpoint }: Listed): boolean {
  return endpoint.nodeName === THIS_NODE;
}

function clusterIPs({ spec }: Json): string[] {
  const all: (string | undefined)[] = spec.clusterIPs ?? [spec.clusterIP];
  return all.filter((ip) => ip !== undefined && ip !== "" && ip !== "None") as string[];
}

function isClusterIP(service: Json, address: string): boolean {
  return clusterIPs(service).some((ip) => sameAddress(ip, address));
}

/** "ipMode Proxy": the traffic is to go to the load balancer itself. */
function loadBalancerIPs({ status }: Json): string[] {
  const ingress: Json[] = status?.loadBalancer?.ingress ?? [];
  return ingress.filter(({ ipMode }) => ipMode !== "Proxy").map(({ ip }) => ip);
}
