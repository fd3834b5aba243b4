// The node after a round, with all faults healed: it has to obey the model again, in what it
// answers and in what it has programmed (ARCHITECTURE.md, Invariants).

import { eventually } from "../eventually.ts";
import type { ClientName } from "../parity/lab.ts";
import { door } from "../parity/state.ts";
import { clusterIPs, expectedOf, frontendsOf, type Model, type ModelService } from "./model.ts";
import type { Stand } from "./stand.ts";

/** A Pod of the node, and a process of the node. */
const CLIENTS: readonly ClientName[] = ["client-1", "node-1"];
const TRIES = 12;
const DIAL_MS = 3_000;
const QUERY_MS = 1_000;
/** For an answer that should not come. */
const NOTHING_MS = 500;
const BACKEND = /:8080$/;
const SHOWN = 6;
/** Kubernetes' own Service, which the API server makes. */
const OWN_SERVICE = "10.96.0.1:443/TCP";

/**
 * Resolves when the controller is in sync and everything is answered as the model says. Throws what
 * is not so at the deadline. Returns how long it took, in milliseconds.
 */
export async function settle(stand: Stand, deadlineMs: number): Promise<number> {
  let complaints: string[] = ["the controller does not answer"];
  let waiting = questionsFrom(stand.model);
  const look = async (): Promise<string[]> => {
    const programmed = await programmedWrongly(stand);
    if (programmed.length > 0) return programmed;
    const asked = waiting.map(async (each) => ({ each, wrong: await wrongIn(stand, each) }));
    const left = (await Promise.all(asked)).filter(({ wrong }) => wrong !== undefined);
    // What was right once is not asked again: the model stands still.
    waiting = left.map(({ each }) => each);
    return left.map(({ wrong }) => wrong ?? "");
  };
  return await eventually("the node obeys the model", deadlineMs, async () => {
    complaints = await look().catch((error: Error) => [error.message]);
    return complaints.length === 0;
  }).catch((error: Error) => {
    throw new Error(`${error.message}: ${complaints.slice(0, SHOWN).join("; ")}`);
  });
}

/** One client, one address, one protocol. */
interface Question {
  each: ModelService;
  client: ClientName;
  address: string;
  protocol: "TCP" | "UDP";
}

function questionsFrom(model: Model): Question[] {
  return [...model.values()].flatMap((each) =>
    clusterIPs(each).flatMap((address) =>
      CLIENTS.flatMap((client) =>
        (["TCP", "UDP"] as const).map((protocol) => ({ each, client, address, protocol })),
      ),
    ),
  );
}

/** Undefined: it is answered as it should be. */
async function wrongIn(stand: Stand, question: Question): Promise<string | undefined> {
  const { each, client, address, protocol } = question;
  const expected = expectedOf(each);
  const isThere = expected.length > 0;
  const patienceMs = protocol === "TCP" ? DIAL_MS : QUERY_MS;
  const target = { protocol, address, port: 80, timeoutMs: isThere ? patienceMs : NOTHING_MS };
  const tries = isThere ? TRIES : 1;
  const results = await stand.agentOf(client).results({ op: "dial", target, tries });
  const seen = [...new Set(results.map(({ outcome, backend }) => backend || outcome))].sort();
  if (isRight(each, expected, seen)) return undefined;
  const where = `${each.name} at ${door(address, 80)}/${protocol}`;
  return `${client} → ${where}: ${seen.join(", ")}, expected ${expected.join(", ") || "none"}`;
}

function isRight({ isSticky }: ModelService, expected: string[], seen: string[]): boolean {
  if (expected.length === 0) return seen.length === 1 && !BACKEND.test(seen[0] ?? "");
  if (isSticky) return seen.length === 1 && expected.includes(seen[0] ?? "");
  return seen.join() === expected.join();
}

/** In sync; and of cluster IPs, kernel and table have those of the model, and no others. */
async function programmedWrongly(stand: Stand): Promise<string[]> {
  const { envoyConnected, lastSync } = await stand.portico.status();
  if (!envoyConnected) return ["the controller has no Envoy"];
  if (lastSync?.error !== "") return [`the last sync: ${lastSync?.error ?? "none yet"}`];
  const wanted = [OWN_SERVICE, ...frontendsOf(stand.model)].sort();
  const table = (await stand.readTable())
    .map(({ address, port, protocol }) => `${door(address, port)}/${protocol}`)
    .filter(isOfServiceCIDR)
    .sort();
  const kernel = (await captured(stand)).filter(isOfServiceCIDR).sort();
  return [...differences("the kernel", kernel, wanted), ...differences("the table", table, wanted)];
}

function differences(where: string, has: readonly string[], wanted: readonly string[]): string[] {
  const missing = wanted.filter((key) => !has.includes(key)).map((key) => `${where} lacks ${key}`);
  return [
    ...missing,
    ...has.filter((key) => !wanted.includes(key)).map((key) => `${where} still has ${key}`),
  ];
}

function isOfServiceCIDR(key: string): boolean {
  return key.startsWith("10.96.") || key.startsWith("[fd00:96::");
}

/** The frontends in the kernel's maps, "address:port/PROTOCOL". */
async function captured({ served }: Stand): Promise<string[]> {
  const names = ["frontends_v4", "frontends_v6"];
  const lists = names.map((name) =>
    served.exec("nft", ["-n", "list", "map", "inet", "portico", name]),
  );
  const texts = (await Promise.all(lists)).map(({ stdout }) => stdout);
  return texts.flatMap((text) =>
    [...text.matchAll(/([0-9a-f.:]+) \. (tcp|udp|6|17) \. (\d+) :/g)].map(
      ([, address = "", protocol, port]) => {
        const name = protocol === "tcp" || protocol === "6" ? "TCP" : "UDP";
        return `${door(address, Number(port))}/${name}`;
      },
    ),
  );
}
