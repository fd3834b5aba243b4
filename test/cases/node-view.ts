// The cases' objects through the controller's model and node view. Runners that need frontends or a
// capture set (the wasm, real Envoy) start here; the last step of this one is a kernel of a few
// lines: what the rules of capture/chains.ts do with a first packet.

import { ClusterState } from "../../controller/model/cluster-state.ts";
import { endpointSliceFromObject } from "../../controller/model/from-endpoint-slice.ts";
import { nodeFromObject } from "../../controller/model/from-node.ts";
import { serviceFromObject } from "../../controller/model/from-service.ts";
import { serviceCIDRFromObject } from "../../controller/model/from-service-cidr.ts";
import { addressAndPort, cidrContains } from "../../controller/model/ip.ts";
import type { Parsed } from "../../controller/model/json.ts";
import type { Protocol } from "../../controller/model/types.ts";
import { EMPTY_CAPTURE_SET } from "../../controller/node/capture-set.ts";
import { NodeFollower, type NodeUpdate } from "../../controller/node/follow-cluster.ts";
import type { ThisNode } from "../../controller/node/this-node.ts";
import type { CaptureSet, Frontend, Verdict } from "../../controller/node/types.ts";
import type { KubernetesObject, Outcome } from "./case.ts";
import type { CaseRunner } from "./run.ts";
import {
  type ClientName,
  clientAddress,
  familyOfText,
  isLocalPod,
  nodeAddress,
  partsOf,
  THIS_NODE,
} from "./topology.ts";

/** A cluster made of cases' objects, as this node's controller sees it over time. */
export class ViewedCluster {
  readonly state = new ClusterState();
  readonly #follower = new NodeFollower(this.state, {
    nodeName: THIS_NODE,
    serviceProxyName: undefined,
    serviceCIDRs: [],
  });

  /** The cluster consists of these objects now; what the controller would do about it. */
  apply(objects: readonly KubernetesObject[]): NodeUpdate {
    const read = <T>(kind: string, parse: (json: unknown) => Parsed<T>): T[] =>
      objects.filter((each) => each.kind === kind).flatMap((each) => parse(each).value ?? []);
    this.state.replaceAll("Node", read("Node", nodeFromObject));
    this.state.replaceAll("ServiceCIDR", read("ServiceCIDR", serviceCIDRFromObject));
    this.state.replaceAll("EndpointSlice", read("EndpointSlice", endpointSliceFromObject));
    this.state.replaceAll("Service", read("Service", serviceFromObject));
    return this.#follower.update();
  }

  /** The node that the view is of, as the view knows it. */
  get node(): ThisNode {
    return this.#follower.node;
  }

  get frontends(): ReadonlyMap<string, Frontend> {
    return this.#follower.view.frontends;
  }

  /** Everyone who may answer: "address:port" each. */
  backends(to: string, protocol: Protocol, handling: Handling): string[] {
    const frontend = this.frontends.get(`${to}/${protocol}`);
    const list = handling === "local" ? frontend?.localBackends : frontend?.backends;
    return (list ?? []).map(({ address, port }) => addressAndPort(address, port));
  }
}

/** Handed to one of Envoy's listeners (keep, masquerade, local), or what happens instead. */
export type Handling = "keep" | "masquerade" | "local" | "refuse" | "drop" | "untouched";

/** What the kernel does with a first packet, where it can tell this node's Pods. */
export function kernelHandling(
  capture: CaptureSet,
  from: ClientName,
  to: string,
  protocol: Protocol = "TCP",
): Handling {
  const key = `${to}/${protocol}`;
  const { verdict, allowedSources = [] } = capture.frontends.get(key) ?? {};
  const { address } = partsOf(to);
  const client = clientAddress(from, familyOfText(to));
  const isOpen = allowedSources.length === 0;
  if (!isOpen && !allowedSources.some((source) => cidrContains(source, client))) return "drop";
  if (verdict) return handlingOf(verdict, from);
  if (capture.clusterIPs.has(address)) return "refuse";
  return [...capture.serviceCIDRs].some((cidr) => cidrContains(cidr, address))
    ? "drop"
    : "untouched";
}

function handlingOf(verdict: Verdict, from: ClientName): Handling {
  if (verdict === "keep") return isLocalPod(from) ? "keep" : "masquerade";
  if (verdict !== "local" && verdict !== "short-circuit") return verdict;
  if (from === "host") return "masquerade";
  if (isLocalPod(from)) return "keep";
  return verdict === "local" ? "local" : "drop";
}

/** The source that `backend` sees: postrouting masquerades a local Pod that calls itself. */
export function sourceSeen(
  capture: CaptureSet,
  handling: Handling,
  from: ClientName,
  backend: string,
): string {
  const family = familyOfText(backend);
  const client = clientAddress(from, family);
  const isOwn = partsOf(backend).address === client;
  const isHairpin = isOwn && capture.localBackendAddresses.has(client);
  return handling === "masquerade" || isHairpin ? nodeAddress(THIS_NODE, family) : client;
}

export class NodeViewRunner implements CaseRunner {
  readonly #cluster = new ViewedCluster();
  #capture = EMPTY_CAPTURE_SET;

  apply(objects: readonly KubernetesObject[]): void {
    this.#capture = this.#cluster.apply(objects).capture;
  }

  outcome(from: ClientName, to: string, protocol: Protocol): Outcome {
    const handling = kernelHandling(this.#capture, from, to, protocol);
    if (handling === "untouched") return handling;
    if (handling === "refuse") return "refused";
    if (handling === "drop") return "dropped";
    const texts = this.#cluster.backends(to, protocol, handling);
    const isRepeated = new Set(texts).size !== texts.length;
    if (isRepeated) throw new Error(`a backend stands twice in ${texts.join(", ")}`);
    const isAffine = this.#cluster.frontends.get(`${to}/${protocol}`)?.affinityTimeoutSeconds;
    const picked = isAffine ? texts.slice(0, 1) : texts;
    const seen = picked.map(
      (each) => [each, sourceSeen(this.#capture, handling, from, each)] as const,
    );
    return new Map(seen);
  }
}
