// Questions of explanations → answers from the running node: the kernel's sets through nft, its
// routes through ip, the table and the listeners from Envoy. Changes nothing.

import { askAdmin } from "../../envoy/admin.ts";
import type { RunProgram } from "../capture/program.ts";
import type {
  Answers,
  Evidence,
  ListenerAnswer,
  Question,
  Route,
  SetElement,
  UdpHost,
} from "../explain/evidence.ts";
import { ElementIndex, elementsFrom } from "../explain/kernel-sets.ts";
import { isUntracked } from "../explain/untracked.ts";
import { familyOf, parseAddress } from "../model/ip.ts";
import type { TableClient } from "../table/client.ts";
import { keyBytesFromFrontend } from "../wire/key.ts";
import { limitCountsOf } from "../wire/limit-counts.ts";

const TABLE = ["inet", "portico"] as const;
/** From this many keys of one set, listing the set is quicker than asking for each key. */
const LIST_FROM = 8;

export interface LiveParts {
  run: RunProgram;
  table: TableClient;
  adminSocket: string;
  interfaceAddresses: () => readonly string[];
}

type Of<K extends Question["kind"]> = Question & { kind: K };

export class LiveAnswers {
  readonly #parts: LiveParts;
  #listeners: Promise<Map<string, string>> | undefined;
  readonly #rawTables = new Map<string, Promise<string | undefined>>();

  /** Make one for each explanation: it caches Envoy's listeners. */
  constructor(parts: LiveParts) {
    this.#parts = parts;
  }

  /** Rejects when nft or ip cannot be run; if Envoy does not answer, evidence notes a failure. */
  async answer(questions: readonly Question[], evidence: Evidence): Promise<void> {
    const of = <K extends Question["kind"]>(kind: K) =>
      questions.filter((question): question is Of<K> => question.kind === kind);
    await this.#answerElements(of("element"), evidence);
    await this.#answerRoutes(of("route"), evidence);
    for (const question of of("bridge")) {
      evidence.answer(question, await this.#isBridge(question.name));
    }
    for (const question of of("kube-proxy")) {
      evidence.answer(question, await this.#hasKubeProxy(question));
    }
    for (const question of of("untracked")) {
      evidence.answer(question, isUntracked(await this.#raw(question.address), question));
    }
    const orNull = <T>(answer: Promise<T>) =>
      answer.catch((error: Error) => {
        evidence.fail(`Envoy does not answer: ${error.message}`);
        return null;
      });
    for (const question of of("record")) {
      evidence.answer(question, await orNull(this.#record(question)));
    }
    for (const question of of("session")) {
      const { frontend, list, client } = question;
      const asked = this.#parts.table.session(frontend, list, client);
      evidence.answer(question, (await orNull(asked)) ?? null);
    }
    for (const question of of("ejections")) {
      evidence.answer(question, (await orNull(this.#parts.table.ejected())) ?? null);
    }
    for (const question of of("limits")) {
      const entries = await orNull(this.#parts.table.stats());
      evidence.answer(question, entries ? limitCountsOf(question.of, entries) : null);
    }
    for (const question of of("listener")) {
      evidence.answer(question, await orNull(this.#listener(question)));
    }
  }

  async #answerElements(questions: readonly Of<"element">[], evidence: Evidence): Promise<void> {
    for (const [set, asked] of Map.groupBy(questions, ({ set }) => set)) {
      const all = asked.length >= LIST_FROM ? new ElementIndex(await this.#elementsOf(set)) : null;
      for (const question of asked) {
        const { key } = question;
        const element = all ? all.find(key) : await this.#elementAt(set, key);
        evidence.answer(question, element ?? null);
      }
    }
  }

  async #elementsOf(set: string): Promise<SetElement[]> {
    const sets = await this.#nft(["list", "set", ...TABLE, set]);
    return elementsFrom(sets ?? (await this.#nft(["list", "map", ...TABLE, set])) ?? "");
  }

  async #elementAt(set: string, key: string): Promise<SetElement | undefined> {
    const printed = await this.#nft(["get", "element", ...TABLE, set, `{ ${key} }`]);
    return elementsFrom(printed ?? "")[0];
  }

  /** Returns undefined when there is no such thing. */
  async #nft(args: readonly string[]): Promise<string | undefined> {
    const { code, stdout, stderr } = await this.#parts.run("nft", args, "");
    if (code === 0) return stdout;
    if (stderr.includes("No such file or directory")) return undefined;
    throw new Error(`nft ${args.join(" ")}: ${stderr.trim().split("\n")[0]}`);
  }

  /** The table by which packets are not tracked; "" for none. */
  #raw(address: string): Promise<string> {
    const ip = familyOf(address) === "IPv4" ? "ip" : "ip6";
    const asked = this.#rawTables.get(ip) ?? this.#nft(["list", "table", ip, "raw"]);
    this.#rawTables.set(ip, asked);
    return asked.then((table) => table ?? "");
  }

  async #isBridge(name: string): Promise<boolean> {
    const show = ["-j", "link", "show", "dev", name, "type", "bridge"];
    const { stdout } = await this.#parts.run("ip", show, "");
    return stdout.includes(`"${name}"`);
  }

  /** Checks for nftables mode, or iptables mode where iptables writes nftables rules. */
  async #hasKubeProxy({ family }: Of<"kube-proxy">): Promise<boolean> {
    const ip = family === "IPv4" ? "ip" : "ip6";
    const own = await this.#nft(["--terse", "list", "table", ip, "kube-proxy"]);
    return (own ?? (await this.#nft(["list", "chain", ip, "nat", "KUBE-SERVICES"]))) !== undefined;
  }

  async #answerRoutes(questions: readonly Of<"route">[], evidence: Evidence): Promise<void> {
    if (questions.length === 0) return;
    const lines = questions.map(({ address }) => `route get ${address}\n`).join("");
    // Its exit code says only that some address has no route.
    const { stdout } = await this.#parts.run("ip", ["-j", "-force", "-batch", "-"], lines);
    const routes = new Map<string, Route>();
    for (const line of stdout.split("\n").filter((each) => each.startsWith("["))) {
      const [route] = JSON.parse(line) as [IpRoute];
      routes.set(parseAddress(route.dst) ?? route.dst, routeFrom(route));
    }
    const own = new Set(this.#parts.interfaceAddresses());
    for (const question of questions) {
      const { address } = question;
      const known = routes.get(address) ?? UNREACHABLE;
      const isOwn = own.has(address) || known.type === "local";
      evidence.answer(question, isOwn ? { type: "local", device: "lo", source: address } : known);
    }
  }

  async #record({ frontend, list }: Of<"record">): Promise<Answers["record"]> {
    return (await this.#parts.table.read(keyBytesFromFrontend(frontend, list))) ?? null;
  }

  async #listener({ protocol, address, port }: Of<"listener">): Promise<ListenerAnswer | null> {
    this.#listeners ??= this.#listListeners();
    const name = (await this.#listeners).get(`${address} ${port}`);
    if (name === undefined) return null;
    return protocol === "UDP" ? { name, udp: await this.#udp(name) } : { name };
  }

  /** Returns where they are bound ("10.96.0.53 53") → their names. */
  async #listListeners(): Promise<Map<string, string>> {
    const { listener_statuses = [] } = await this.#admin<ListenersAnswer>("/listeners?format=json");
    const places = listener_statuses.map(({ name, local_address }): [string, string] => {
      const { address = "", port_value = 0 } = local_address?.socket_address ?? {};
      return [`${address} ${port_value}`, name];
    });
    return new Map(places);
  }

  async #udp(listener: string): Promise<{ cluster: string; hosts: UdpHost[] }> {
    const listeners = await this.#dump("dynamic_listeners", listener);
    const cluster = /"cluster": ?"([^"]*)"/.exec(JSON.stringify(listeners))?.[1] ?? "";
    const dump = await this.#dump("dynamic_endpoint_configs", cluster);
    const { endpoints = [] } = dump.configs?.[0]?.endpoint_config ?? {};
    const hosts = endpoints.flatMap(({ lb_endpoints = [] }) => lb_endpoints).map(hostFrom);
    return { cluster, hosts };
  }

  /** Returns the dump of the resource with exactly this name. */
  #dump(resource: string, name: string): Promise<ConfigDump> {
    const regex = encodeURIComponent(name.replaceAll(/[.[\]+*?(){}|^$\\]/g, "\\$&"));
    return this.#admin(`/config_dump?include_eds&resource=${resource}&name_regex=${regex}`);
  }

  async #admin<T>(path: string): Promise<T> {
    const { adminSocket } = this.#parts;
    const { body } = await askAdmin(adminSocket, path).catch((error: Error) => {
      throw new Error(`Envoy's admin interface, ${adminSocket}: ${error.message}`);
    });
    return JSON.parse(body) as T;
  }
}

const UNREACHABLE: Route = { type: "unreachable", device: "", source: "" };

/** As `ip -j route get` prints one. */
interface IpRoute {
  type?: string;
  dst: string;
  dev?: string;
  prefsrc?: string;
}

function routeFrom({ type = "unicast", dev = "", prefsrc = "" }: IpRoute): Route {
  if (type !== "unicast" && type !== "local") return UNREACHABLE;
  return { type, device: dev, source: parseAddress(prefsrc) ?? "" };
}

interface SocketAddress {
  socket_address?: { address?: string; port_value?: number };
}

/** GET /listeners?format=json */
interface ListenersAnswer {
  listener_statuses?: { name: string; local_address?: SocketAddress }[];
}

/** GET /config_dump */
interface ConfigDump {
  configs?: { endpoint_config?: { endpoints?: { lb_endpoints?: LbEndpoint[] }[] } }[];
}
interface LbEndpoint {
  health_status?: string;
  endpoint?: { address?: SocketAddress };
}

function hostFrom({ health_status, endpoint }: LbEndpoint): UdpHost {
  const { address = "", port_value: port = 0 } = endpoint?.address?.socket_address ?? {};
  return { address, port, leaving: health_status === "DEGRADED" };
}
