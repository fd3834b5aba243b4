// What an explanation has to know of the data plane and the kernel, as questions with answers. An
// explanation asks Evidence; what that does not know yet it notes, and whoever can look (the
// daemon on a node, a test in a made-up cluster) answers, and has it explained once more. So
// explaining does no I/O, and looks at nothing that does not matter.

import type { IPFamily, Protocol } from "../model/types.ts";
import type { Backend, FrontendKind } from "../node/types.ts";
import type { BackendList, FrontendIdentity } from "../wire/key.ts";

/** An element of a kernel set, as the kernel has it: of an interval set, the one that matches. */
export interface SetElement {
  key: string;
  /** What a map has for it: "goto verdict_keep", "240.0.0.1"; absent in a set. */
  value?: string | undefined;
}

/** What the node's routing says of an address. */
export interface Route {
  /** "local": it is one of the node's own. */
  type: "local" | "unicast" | "unreachable";
  /** The interface; empty when unreachable. */
  device: string;
  /** The address that the node's own connections have; empty when unreachable. */
  source: string;
}

/** One list of a frontend as Envoy's table has it. */
export interface ListedRecord {
  kind: FrontendKind;
  namespace: string;
  service: string;
  portName: string;
  backends: readonly Backend[];
  affinityTimeoutSeconds: number;
}

export interface UdpHost {
  address: string;
  port: number;
  /** It only finishes the flows that it has. */
  leaving: boolean;
}

/** The backend that a client goes on with by session affinity. */
export interface RememberedBackend {
  address: string;
  port: number;
  /** Within which it has to come back. */
  seconds: number;
}

/** One of Envoy's listeners. */
export interface ListenerAnswer {
  name: string;
  /** Of a UDP listener: where its datagrams go, and the hosts there. Absent of one for TCP. */
  udp?: { cluster: string; hosts: readonly UdpHost[] };
}

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
  /** Whether the interface of that name is a bridge. */
  | { kind: "bridge"; name: string }
  /** Whether kube-proxy's rules are there too, in nftables. */
  | { kind: "kube-proxy"; family: IPFamily }
  /** Whether another program's rules say not to track what goes there. */
  | { kind: "untracked"; protocol: Protocol; address: string; port: number };

export interface Answers {
  element: SetElement | null;
  route: Route;
  record: ListedRecord | null;
  listener: ListenerAnswer | null;
  session: RememberedBackend | null;
  bridge: boolean;
  "kube-proxy": boolean;
  untracked: boolean;
}

/** Answers by question; null where there is no such thing. */
export class Evidence {
  readonly #answers = new Map<string, unknown>();
  readonly #missing = new Map<string, Question>();
  readonly #failures = new Set<string>();

  /** Whom nobody could ask, in words: what it might have answered counts as not there. */
  get failures(): string[] {
    return [...this.#failures].sort();
  }

  fail(failure: string): void {
    this.#failures.add(failure);
  }

  /** What was asked and has no answer yet; begins anew. */
  takeMissing(): Question[] {
    const missing = [...this.#missing.values()];
    this.#missing.clear();
    return missing;
  }

  answer<Q extends Question>(question: Q, answer: Answers[Q["kind"]]): void {
    this.#answers.set(JSON.stringify(question), answer);
  }

  /** Undefined when there is no such element, or it is not known yet. */
  element(set: string, key: string): SetElement | undefined {
    return this.#ask({ kind: "element", set, key }) ?? undefined;
  }

  /** Unreachable as long as it is not known; and for "", which is no address. */
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

  /** Not "", which is none, nor lo. */
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
