// The cases' objects through the controller's model and node view. Runners that need frontends or a
// capture set (the wasm, real Envoy) start here; the last step of this one is a kernel of a few
// lines: what the rules of capture/ruleset.ts do with a first packet.

import { ClusterState } from "../../controller/model/cluster-state.ts";
import { endpointSliceFromObject } from "../../controller/model/from-endpoint-slice.ts";
import { nodeFromObject } from "../../controller/model/from-node.ts";
import { serviceFromObject } from "../../controller/model/from-service.ts";
import { serviceCIDRFromObject } from "../../controller/model/from-service-cidr.ts";
import { cidrContains } from "../../controller/model/ip.ts";
import type { Parsed } from "../../controller/model/json.ts";
import { EMPTY_CAPTURE_SET } from "../../controller/node/capture-set.ts";
import { NodeFollower, type NodeUpdate } from "../../controller/node/follow-cluster.ts";
import type { CaptureSet, Frontend, Verdict } from "../../controller/node/types.ts";
import type { KubernetesObject, Outcome } from "./case.ts";
import type { CaseRunner } from "./run.ts";
import { type ClientName, clientAddress, nodeAddress, THIS_NODE } from "./topology.ts";

/** A cluster made of cases' objects, as this node's controller sees it over time. */
export class ViewedCluster {
  readonly #state = new ClusterState();
  readonly #follower = new NodeFollower(this.#state, {
    nodeName: THIS_NODE,
    serviceProxyName: undefined,
    serviceCIDRs: [],
  });

  /** The cluster consists of these objects now; what the controller would do about it. */
  apply(objects: readonly KubernetesObject[]): NodeUpdate {
    const read = <T>(kind: string, parse: (json: unknown) => Parsed<T>): T[] =>
      objects.filter((each) => each.kind === kind).flatMap((each) => parse(each).value ?? []);
    this.#state.replaceAll("Node", read("Node", nodeFromObject));
    this.#state.replaceAll("ServiceCIDR", read("ServiceCIDR", serviceCIDRFromObject));
    this.#state.replaceAll("EndpointSlice", read("EndpointSlice", endpointSliceFromObject));
    this.#state.replaceAll("Service", read("Service", serviceFromObject));
    return this.#follower.update();
  }

  get frontends(): ReadonlyMap<string, Frontend> {
    return this.#follower.view.frontends;
  }
}

/** What the kernel does with a first packet to `to`: a verdict, or "untouched". */
export function kernelVerdict(capture: CaptureSet, to: string): Verdict | "untouched" {
  const verdict = capture.verdicts.get(`${to}/TCP`);
  if (verdict) return verdict;
  const address = to.slice(0, to.lastIndexOf(":"));
  if (capture.clusterIPs.includes(address)) return "refuse";
  return capture.serviceCIDRs.some((cidr) => cidrContains(cidr, address)) ? "drop" : "untouched";
}

/** The source that `backend` sees: postrouting masquerades a local Pod that calls itself. */
export function sourceSeen(
  capture: CaptureSet,
  verdict: Verdict,
  from: ClientName,
  backend: string,
): string {
  const client = clientAddress(from);
  const isHairpin = backend.startsWith(`${client}:`) && capture.localEndpoints.includes(client);
  return verdict === "masquerade" || isHairpin ? nodeAddress(THIS_NODE) : client;
}

export class NodeViewRunner implements CaseRunner {
  readonly #cluster = new ViewedCluster();
  #capture = EMPTY_CAPTURE_SET;

  apply(objects: readonly KubernetesObject[]): void {
    this.#capture = this.#cluster.apply(objects).capture;
  }

  outcome(from: ClientName, to: string): Outcome {
    const verdict = kernelVerdict(this.#capture, to);
    if (verdict === "untouched") return verdict;
    if (verdict === "refuse") return "refused";
    if (verdict === "drop") return "dropped";
    const backends = this.#cluster.frontends.get(`${to}/TCP`)?.backends ?? [];
    const texts = backends.map(({ address, port }) => `${address}:${port}`);
    const isRepeated = new Set(texts).size !== texts.length;
    if (isRepeated) throw new Error(`a backend stands twice in ${texts.join(", ")}`);
    const seen = texts.map(
      (each) => [each, sourceSeen(this.#capture, verdict, from, each)] as const,
    );
    return new Map(seen);
  }
}
