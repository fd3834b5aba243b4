// What an explanation must know about the data plane and the kernel, as questions with answers. An
// explanation asks Evidence, which notes the questions that it cannot answer yet. A caller that can
// look (the daemon on a node, a test in a made-up cluster) answers them, and starts the explanation
// again. So explaining does no I/O, and looks only at what matters.

import type { IPFamily, Protocol } from "../model/types.ts";
import type { Backend, Frontend, FrontendKind, FrontendSettings } from "../node/types.ts";
import type { Ejection } from "../wire/ejected.ts";
import type { BackendList, FrontendIdentity } from "../wire/key.ts";
import type { LimitCounts } from "../wire/limit-counts.ts";

/** An element of a kernel set, as the kernel has it: in an interval set, the one that matches. */
export interface SetElement {
  key: string;
  /** Its value in a map: "goto verdict_keep", "240.0.0.1"; absent in a set. */
  value?: string | undefined;
}

/** The node's route to an address. */
export interface Route {
  /** "local": it is one of the node's own. */
  type: "local" | "unicast" | "unreachable";
  /** The interface; empty when unreachable. */
  device: string;
  /** The source address of the node's own connections; empty when unreachable. */
  source: string;
}

/** One list of a frontend as Envoy's table has it. */
interface ListedRecord {
  kind: FrontendKind;
  namespace: string;
  service: string;
  portName: string;
  backends: readonly Backend[];
  affinityTimeoutSeconds: number;
  settings: FrontendSettings;
}

export interface UdpHost {
  address: string;
  port: number;
  /** It only finishes its existing flows. */
  leaving: boolean;
}

/** The backend that a client keeps by session affinity. */
export interface RememberedBackend {
  address: string;
  port: number;
  /** The client must come back within this time. */
  seconds: number;
}

/** One of Envoy's listeners. */
export interface ListenerAnswer {
  name: string;
  /** Of a UDP listener: where its datagrams go, and the hosts there. Absent for TCP. */
  udp?: { cluster: string; hosts: readonly UdpHost[] };
}

type ServicePortIdentity = Pick<Frontend, "namespace" | "service" | "portName" | "protocol">;

export type Question =
  | { kind: "element"; set: string; key: string }
  | { kind: "route"; address: string }
  | { kind: "record"; frontend: FrontendIdentity; list: BackendList }
  /** By where it is bound: for TCP "0.0.0.0" or "::". */
  | { kind: "listener"; protocol: Protocol; address: string; port: number }
  | {
      kind: "session";
      frontend: FrontendIdentity;
      list: BackendList;
      client: string;
    }
  /** The backends that fail, of whatever frontend. */
  | { kind: "ejections" }
  /** What was counted of a ServicePort with limits. */
  | { kind: "limits"; of: ServicePortIdentity }
  /** Whether the interface of that name is a bridge. */
  | { kind: "bridge"; name: string }
  /** Whether kube-proxy's rules are there too, in nftables. */
  | { kind: "kube-proxy"; family: IPFamily }
  /** Whether another program's rules exclude packets to it from tracking. */
  | { kind: "untracked"; protocol: Protocol; address: string; port: number };

export interface Answers {
  element: SetElement | null;
  route: Route;
  record: ListedRecord | null;
  listener: ListenerAnswer | null;
  session: RememberedBackend | null;
  ejections: readonly Ejection[] | null;
  limits: LimitCounts | null;
  bridge: boolean;
  "kube-proxy": boolean;
  untracked: boolean;
}

/** Answers by question; null where the thing does not exist. */
export class Evidence {
  readonly #answers = new Map<string, unknown>();
  readonly #missing = new Map<string, Question>();
  readonly #failures = new Set<string>();

  /** What could not be asked, in words: the missing answers count as "not there". */
  get failures(): string[] {
    return [...this.#failures].sort();
  }

  fail(failure: string): void {
    this.#failures.add(failure);
  }

  /** Returns the questions without an answer so far, and clears the list. */
  takeMissing(): Question[] {
    const missing = [...this.#missing.values()];
    this.#missing.clear();
    return missing;
  }

  answer<Q extends Question>(question: Q, answer: Answers[Q["kind"]]): void {
    this.#answers.set(JSON.stringify(question), answer);
  }

  /** Returns undefined when there is no such element, or it is not known yet. */
  element(set: string, key: string): SetElement | undefined {
    return this.#ask({ kind: "element", set, key }) ?? undefined;
  }

  /** Unreachable while it is not known, and for "", which is not an address. */
  route(address: string): Route {
    const unknown: Route = { type: "unreachable", device: "", source: "" };
    if (address === "") return unknown;
    return this.#ask({ kind: "route", address }) ?? unknown;
  }

  record(frontend: FrontendIdentity, list: BackendList): ListedRecord | undefined {
    return this.#ask({ kind: "record", frontend, list }) ?? undefined;
  }

  listener(protocol: Protocol, address: string, port: number): ListenerAnswer | undefined {
    return this.#ask({ kind: "listener", protocol, address, port }) ?? undefined;
  }

  session(
    frontend: FrontendIdentity,
    list: BackendList,
    client: string,
  ): RememberedBackend | undefined {
    return this.#ask({ kind: "session", frontend, list, client }) ?? undefined;
  }

  /** Empty when nothing is ejected, or the plugin does not eject. */
  ejections(): readonly Ejection[] {
    return this.#ask({ kind: "ejections" }) ?? [];
  }

  limits({ namespace, service, portName, protocol }: ServicePortIdentity): LimitCounts | undefined {
    const of = { namespace, service, portName, protocol };
    return this.#ask({ kind: "limits", of }) ?? undefined;
  }

  /** False for "" (no interface), and for lo. */
  isBridge(name: string): boolean {
    if (name === "" || name === "lo") return false;
    return this.#ask({ kind: "bridge", name }) ?? false;
  }

  hasKubeProxy(family: IPFamily): boolean {
    return this.#ask({ kind: "kube-proxy", family }) ?? false;
  }

  isUntracked(protocol: Protocol, address: string, port: number): boolean {
    return this.#ask({ kind: "untracked", protocol, address, port }) ?? false;
  }

  #ask<Q extends Question>(question: Q): Answers[Q["kind"]] | undefined {
    const name = JSON.stringify(question);
    if (!this.#answers.has(name)) this.#missing.set(name, question);
    return this.#answers.get(name) as Answers[Q["kind"]] | undefined;
  }
}
