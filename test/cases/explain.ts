// The connection cases explained: the questions of explanations are answered from the very texts
// and bytes that the controller would program, so that an explanation that lies about a case fails.

import { type CaptureOptions, DEFAULT_CAPTURE_OPTIONS } from "../../controller/capture/options.ts";
import { rulesetFrom } from "../../controller/capture/ruleset.ts";
import {
  type Answers,
  Evidence,
  type ListenerAnswer,
  type Question,
  type RememberedBackend,
  type Route,
} from "../../controller/explain/evidence.ts";
import { explain } from "../../controller/explain/explain.ts";
import type { Explanation } from "../../controller/explain/explanation.ts";
import { ElementIndex, elementsFrom } from "../../controller/explain/kernel-sets.ts";
import { kernelTableFrom } from "../../controller/explain/kernel-table.ts";
import type { KnownCluster } from "../../controller/explain/known-cluster.ts";
import type { Protocol } from "../../controller/model/types.ts";
import { frontendKey } from "../../controller/node/frontend-key.ts";
import { isLoopback } from "../../controller/node/node-port-addresses.ts";
import type { Backend } from "../../controller/node/types.ts";
import { WantedInKernel } from "../../controller/sync/target-kernel.ts";
import { TargetTable } from "../../controller/sync/target-table.ts";
import { TargetUdp } from "../../controller/sync/target-udp.ts";
import { decodeRecord } from "../../controller/wire/decode.ts";
import type { Ejection } from "../../controller/wire/ejected.ts";
import { recordKey } from "../../controller/wire/key.ts";
import type { LimitCounts } from "../../controller/wire/limit-counts.ts";
import { DEFAULT_TCP_OPTIONS } from "../../controller/xds/tcp-options.ts";
import { declarationOf } from "../stand-ins/declared-set.ts";
import type { KubernetesObject, Outcome } from "./case.ts";
import { ViewedCluster } from "./node-view.ts";
import type { CaseRunner } from "./run.ts";
import {
  type ClientName,
  clientAddress,
  familyOfText,
  nodeAddress,
  PODS_OF_NODE,
  partsOf,
  podAddress,
  THIS_NODE,
} from "./topology.ts";

const OPTIONS = {
  ...DEFAULT_CAPTURE_OPTIONS,
  localDetector: { kind: "cidrs" as const, cidrs: ["10.1.1.0/24", "fd00:1:1::/64"] },
};
/** Of Pods on bridges that NAT leads to Envoy. */
const REDIRECT_PORTS = { keep: 15405, masquerade: 15406, local: 15407 };
const TCP_LISTENERS: Readonly<Record<number, string>> = {
  [OPTIONS.keepPort]: "capture-keep",
  [OPTIONS.hostPort]: "capture-host",
  [OPTIONS.masqueradePort]: "capture-masquerade",
  [OPTIONS.localPort]: "capture-local",
  [REDIRECT_PORTS.keep]: "redirect-keep",
  [REDIRECT_PORTS.masquerade]: "redirect-masquerade",
  [REDIRECT_PORTS.local]: "redirect-local",
};
const FAMILIES = ["IPv4", "IPv6"] as const;

/** A cluster of the cases', and what this node's data plane would have of it. */
export class ExplainedCluster {
  readonly #options: CaptureOptions;
  readonly #cluster = new ViewedCluster();
  readonly #table = new TargetTable();
  readonly #udp = new TargetUdp([]);
  /** What `nft` would be given; a test may change it behind the controller's back. */
  ruleset = "";
  /** What Envoy remembers for every client, where there is session affinity. */
  remembered: RememberedBackend | null = null;
  /** What Envoy has ejected. */
  ejections: readonly Ejection[] = [];
  /** What Envoy counted of every Service with limits. */
  limits: LimitCounts | null = null;
  hasKubeProxy = false;
  /** Keys of what another program has the kernel not track. */
  untracked = new Set<string>();
  /** Whether Pods' interfaces are bridges. */
  hasBridges = false;
  /** Whether Envoy listens. */
  listens = true;
  /** What Envoy has in every list, in place of what it should have. */
  backends: readonly Backend[] | undefined;

  constructor(own: Partial<CaptureOptions> = {}) {
    this.#options = { ...OPTIONS, ...own };
  }

  apply(objects: readonly KubernetesObject[]): void {
    const { upserted, removed, capture } = this.#cluster.apply(objects);
    this.#table.apply(upserted, removed);
    this.#udp.apply(upserted, removed, { masqueradeAll: false, podFamilies: [...FAMILIES] });
    const udpBindings = this.#udp.bindings;
    const leftOut = this.#table.leftOut;
    const parts = { captureSet: capture, leftOut, udpBindings, formerUdpBindings: new Map() };
    this.ruleset = rulesetFrom(new WantedInKernel(parts, []).whole(), this.#options);
  }

  get known(): KnownCluster {
    return {
      isSynced: true,
      state: this.#cluster.state,
      frontends: this.#cluster.frontends,
      node: this.#cluster.node,
      serviceProxyName: undefined,
      localDetector: this.#options.localDetector,
      connecting: DEFAULT_TCP_OPTIONS,
      problems: [],
      lastSyncError: "",
    };
  }

  explain(from: ClientName, to: string, protocol: Protocol): Explanation {
    const client = from === "host" ? undefined : clientAddress(from, familyOfText(to));
    const asked = { client, ...partsOf(to), protocol };
    const envoyMark = OPTIONS.envoyMarkBit;
    const masqueradedMark = envoyMark | OPTIONS.masqueradeMarkBit;
    const table = kernelTableFrom(this.ruleset);
    const kernel = { table, changes: [], envoyMark, masqueradedMark };
    const evidence = new Evidence();
    for (let round = 0; round < 20; round++) {
      const explanation = explain(asked, this.known, kernel, evidence);
      const missing = evidence.takeMissing();
      if (missing.length === 0) return explanation;
      for (const question of missing) evidence.answer(question, this.#answer(question));
    }
    throw new Error(`${from} → ${to}: its questions do not end`);
  }

  #answer(question: Question): Answers[Question["kind"]] {
    switch (question.kind) {
      case "element": {
        const elements = elementsFrom(declarationOf(question.set, this.ruleset));
        return new ElementIndex(elements).find(question.key) ?? null;
      }
      case "session":
        return this.remembered;
      case "ejections":
        return this.ejections;
      case "limits":
        return this.limits;
      case "untracked":
        return this.untracked.has(`${question.address}:${question.port}/${question.protocol}`);
      case "kube-proxy":
        return this.hasKubeProxy;
      case "bridge":
        return this.hasBridges && question.name.startsWith("veth");
      case "route":
        return routeTo(question.address);
      case "record": {
        const { address, port, protocol } = question.frontend;
        const key = frontendKey(address, port, protocol);
        const entry = this.#table.entries.get(recordKey(key, question.list));
        const record = entry ? decodeRecord(entry.record) : null;
        return record && { ...record, ...(this.backends && { backends: this.backends }) };
      }
      case "listener":
        return this.#listener(question);
    }
  }

  #listener({ protocol, address, port }: Question & { kind: "listener" }): ListenerAnswer | null {
    if (!this.listens) return null;
    if (protocol === "TCP") {
      const name = TCP_LISTENERS[port];
      return name === undefined ? null : { name };
    }
    const { listeners, clusters } = this.#udp.target;
    const listener = [...listeners.values()].find((each) => each.address === address);
    const cluster = listener && clusters.get(listener.cluster);
    if (!listener || !cluster) return null;
    const { backends, leaving, name } = cluster;
    const hosts = [
      ...backends.map((each) => ({ ...each, leaving: false })),
      ...leaving.map((each) => ({ ...each, leaving: true })),
    ];
    return { name: listener.name, udp: { cluster: name, hosts } };
  }
}

function routeTo(address: string): Route {
  const source = nodeAddress(THIS_NODE, familyOfText(address));
  if (address === source || isLoopback(address)) {
    return { type: "local", device: "lo", source: address };
  }
  const pods = PODS_OF_NODE[THIS_NODE].map((pod) => podAddress(pod, familyOfText(address)));
  const number = pods.indexOf(address);
  return { type: "unicast", device: number < 0 ? "eth0" : `veth${number}`, source };
}

export class ExplainRunner implements CaseRunner {
  readonly #cluster: ExplainedCluster;
  readonly #redirects: boolean;

  /** `redirects`: NAT leads TCP connections of this node's Pods to Envoy. */
  constructor(redirects = false) {
    this.#redirects = redirects;
    this.#cluster = new ExplainedCluster(redirects ? { redirectPorts: REDIRECT_PORTS } : {});
    this.#cluster.hasBridges = redirects;
  }

  apply(objects: readonly KubernetesObject[]): void {
    this.#cluster.apply(objects);
  }

  outcome(from: ClientName, to: string, protocol: Protocol): Outcome {
    const explanation = this.#cluster.explain(from, to, protocol);
    const { outcome, disagreements, backends, decisions } = explanation;
    if (disagreements.length > 0) throw new Error(disagreements.join("\n"));
    const isBoth = explanation.leftOut.some(({ place }) => backends.some((b) => b.place === place));
    if (isBoth) throw new Error("an endpoint is a backend and left out");
    if (outcome === "ended" || outcome === "unreachable") throw new Error(explanation.summary);
    if (outcome !== "served") return outcome;
    const isRedirected = explanation.listener?.startsWith("redirect") ?? false;
    const isPod = PODS_OF_NODE[THIS_NODE].some((pod) => pod === from);
    if (isRedirected !== (this.#redirects && isPod && protocol === "TCP")) {
      throw new Error(`${from} → ${to} comes to ${explanation.listener}`);
    }
    const isAffine = decisions.some(({ name }) => name === "sessionAffinity");
    const picked = isAffine ? backends.slice(0, 1) : backends;
    return new Map(picked.map(({ place, source }) => [place, source]));
  }
}
