// The connection cases on the real thing: one controller that reads manifests, Envoy, the kernel,
// and Pods that say who called them. All cases run on the same Portico, so each also shows what the
// earlier ones left behind.

import { isDeepStrictEqual } from "node:util";
import { expect } from "vitest";
import { callController } from "../../controller/cli/control-client.ts";
import { runPaths } from "../../controller/config/run-options.ts";
import { EXPLAIN_PATH } from "../../controller/control/control-api.ts";
import type { Explanation } from "../../controller/explain/explanation.ts";
import { addressAndPort } from "../../controller/model/ip.ts";
import { EMPTY_CAPTURE_SET } from "../../controller/node/capture-set.ts";
import { TargetTable } from "../../controller/sync/target-table.ts";
import { TableClient } from "../../controller/table/client.ts";
import type { CaseProtocol, KubernetesObject, Outcome } from "../cases/case.ts";
import { ALL_CASES } from "../cases/cases.ts";
import { casesFor } from "../cases/features.ts";
import { kernelHandling, ViewedCluster } from "../cases/node-view.ts";
import { type CaseRunner, runCases } from "../cases/run.ts";
import {
  type ClientName,
  clientAddress,
  familyOfText,
  type PodName,
  partsOf,
  podAddress,
} from "../cases/topology.ts";
import { eventually } from "../eventually.ts";
import type { DialOptions } from "../namespaces/dialer.ts";
import type { DialResult } from "../namespaces/messages.ts";
import { type CasesLab, makeCasesLab } from "./cases-lab.ts";
import { hasPassed, observePackets } from "./passing-packets.ts";
import { PorticoProcess } from "./portico-fixture.ts";
import { type Programmed, programmedFrom, readProgrammed, recordLines } from "./programmed.ts";

/** Detection by addresses, as with NodeCIDR; this node's Pods have these. */
const FLAGS = ["--detect-local-mode=ClusterCIDR", "--cluster-cidr=10.1.1.0/24,fd00:1:1::/64"];
/** A SYN is repeated after a second: what is refused before that was refused at once. */
const AT_ONCE_MS = 900;
/** How long to wait for an answer where one is to come, and where none is. */
const PATIENCE_MS = 2_000;
const SHORT_MS = 400;
/** Between rounds it is looked whether all backends were seen; five at most, so ten rounds do. */
const TRIES_A_ROUND = 10;
const MAX_ROUNDS = 10;

class RealRunner implements CaseRunner {
  readonly #lab: CasesLab;
  readonly #portico: PorticoProcess;
  readonly #table: TableClient;
  readonly #cluster = new ViewedCluster();
  readonly #target = new TargetTable();
  #capture = EMPTY_CAPTURE_SET;
  #expected: Programmed = [];
  /** What the table had of earlier steps: it forgets two seconds after the kernel. */
  readonly #former = new Set<string>();
  /** What becomes of connections without Portico, of those that it is to leave alone. */
  readonly #without = new Map<string, string>();
  /** Source ports of the connections that are looked for; the kernel chooses others above. */
  #lastPort = 20_000;

  constructor(lab: CasesLab) {
    this.#lab = lab;
    this.#portico = new PorticoProcess(lab.node);
    this.#table = new TableClient(runPaths(this.#portico.runDirectory).tableSocket);
  }

  async start(): Promise<void> {
    await observePackets(this.#lab.node);
    const steps = casesFor("real", ALL_CASES).flatMap((each) => [each, ...(each.later ?? [])]);
    const all = steps.flatMap(({ connections }) => connections);
    const untouched = all.filter((each) => each.expect === "untouched");
    const tried = untouched.map(async ({ from, to }) => {
      const { result, passed } = await this.#dial(from, to, { timeoutMs: PATIENCE_MS });
      expect(passed, `${from} → ${to}, before there is a Portico`).toBe(true);
      this.#without.set(`${from} ${to}`, textFromResult(result));
    });
    await Promise.all(tried);
    await this.#portico.start(FLAGS);
    await this.#portico.synced();
  }

  async apply(objects: readonly KubernetesObject[]): Promise<void> {
    const { upserted, removed, capture } = this.#cluster.apply(objects);
    this.#capture = capture;
    this.#target.apply(upserted, removed);
    for (const line of recordLines(this.#expected)) this.#former.add(line);
    this.#expected = programmedFrom(this.#target.entries, capture);
    const wanted = new Set(this.#expected);
    this.#portico.write(objects);
    await this.#programmed((line) => wanted.has(line) || !this.#former.has(line));
  }

  /** Waits for the data plane to have what it should, and nothing more of what `counts`. */
  async #programmed(counts: (line: string) => boolean): Promise<void> {
    let present: Programmed = [];
    await eventually("the data plane as the objects say", 5_000, async () => {
      present = (await readProgrammed(this.#table, this.#lab.node)).filter(counts);
      return isDeepStrictEqual(present, this.#expected);
    }).catch((error) => {
      const title = `${error.message}\n${this.#portico.log.slice(-2_000)}`;
      expect(present, title).toEqual(this.#expected);
    });
  }

  /** What really becomes of it, which explanations have to know before. */
  async outcome(from: ClientName, to: string, protocol: CaseProtocol): Promise<Outcome> {
    const explanation = await this.#explained(from, to, protocol);
    const outcome = await this.#tried(from, to, protocol);
    expect(outcomeOfExplanation(explanation, outcome), `${from} → ${to}, explained`).toEqual(
      outcome,
    );
    return outcome;
  }

  async #explained(from: ClientName, to: string, protocol: CaseProtocol): Promise<Explanation> {
    const client = clientAddress(from, familyOfText(to));
    const query = new URLSearchParams({ from: client, to: `${to}/${protocol}` });
    const { controlSocket } = runPaths(this.#portico.runDirectory);
    return callController<Explanation>(controlSocket, "GET", `${EXPLAIN_PATH}?${query}`);
  }

  async #tried(from: ClientName, to: string, protocol: CaseProtocol): Promise<Outcome> {
    const handling = kernelHandling(this.#capture, from, to, protocol);
    const without = this.#without.get(`${from} ${to}`);
    const isSilent = handling === "drop" || (handling === "untouched" && without === "timeout");
    const timeoutMs = isSilent ? SHORT_MS : PATIENCE_MS;
    const { result, passed } = await this.#dial(from, to, { protocol, timeoutMs });
    if (passed) {
      const title = `${from} → ${to}, which is left alone`;
      if (without !== undefined) expect(textFromResult(result), title).toBe(without);
      return "untouched";
    }
    if (result.outcome === "timeout") return "dropped";
    if (result.outcome === "refused") {
      expect(result.milliseconds, `${from} → ${to}, ms until refused`).toBeLessThan(AT_ONCE_MS);
      return "refused";
    }
    const backends = this.#cluster.backends(to, protocol, handling);
    const isAffine = this.#cluster.frontends.get(`${to}/${protocol}`)?.affinityTimeoutSeconds;
    return await this.#seenAll(from, to, protocol, isAffine ? 1 : backends.length);
  }

  async close(): Promise<void> {
    try {
      // By now the table has forgotten all that it was to forget.
      if (this.#expected.length > 0) await this.#programmed(() => true);
    } finally {
      this.#table.close();
      await this.#portico.close();
      await this.#lab.cluster.close();
    }
  }

  /** One connection, and whether its first packet passed the node. */
  async #dial(from: ClientName, to: string, options: DialOptions) {
    const localPort = ++this.#lastPort;
    const dialer = await this.#lab.namespaceOf(from).dialer();
    const { address, port } = partsOf(to);
    const result = await dialer.dialOnce(address, port, { ...options, localPort });
    return { result, passed: await hasPassed(this.#lab.node, localPort, to) };
  }

  /** Dials until so many backends were seen; returns who was, and the sources they saw. */
  async #seenAll(from: ClientName, to: string, protocol: CaseProtocol, count: number) {
    const dialer = await this.#lab.namespaceOf(from).dialer();
    const { address, port } = partsOf(to);
    const seen = new Map<string, string>();
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const options = { protocol, tries: TRIES_A_ROUND, timeoutMs: PATIENCE_MS };
      for (const result of await dialer.dial(address, port, options)) {
        expect(result.outcome, `${from} → ${to}`).toBe("answered");
        const source = partsOf(result.client).address;
        const server = serverOf(result, to);
        expect(seen.get(server) ?? source, `${from} → ${to}, sources seen`).toBe(source);
        seen.set(server, source);
      }
      if (seen.size >= count) break;
    }
    return seen;
  }
}

/** As an outcome; with session affinity, of the backend that was seen, if it may be one. */
function outcomeOfExplanation(explanation: Explanation, seen: Outcome): unknown {
  const { outcome, disagreements, backends, decisions } = explanation;
  if (disagreements.length > 0) return disagreements;
  if (outcome !== "served") return outcome;
  const isAffine = decisions.some(({ name }) => name === "sessionAffinity");
  const may = backends.filter(
    ({ place }) => !isAffine || typeof seen === "string" || seen.has(place),
  );
  return new Map(may.map(({ place, source }) => [place, source]));
}

/** Who answers a datagram says its name and port only. */
function serverOf({ server, name }: DialResult, to: string): string {
  if (!server.startsWith(":")) return server;
  const address = podAddress(name as PodName, familyOfText(to));
  return addressAndPort(address, Number(server.slice(1)));
}

/** "refused"; "answered: 10.1.1.11:8080 sees 10.1.1.10" */
function textFromResult({ outcome, server, client }: DialResult): string {
  return outcome === "answered" ? `answered: ${server} sees ${partsOf(client).address}` : outcome;
}

runCases("real", "real Envoy and the real kernel", async () => {
  const runner = new RealRunner(await makeCasesLab());
  await runner.start().catch(async (error) => {
    await runner.close();
    throw error;
  });
  return runner;
});
