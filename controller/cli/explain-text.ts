// An explanation → text for operators. What is not as it should be comes first.

import type { ExplainedBackend, Explanation, LeftOut } from "../explain/explanation.ts";
import type { TraceStep } from "../explain/trace.ts";
import { ejectionText } from "../wire/ejection-list.ts";
import { columns } from "./output.ts";

/** Operators read the first few of a long list; -o json has them all. */
const MOST_LINES = 20;

/** Returns the text of `portico explain`, several lines. Long lists are cut at MOST_LINES. */
export function textFromExplanation(explanation: Explanation): string {
  const { from, to, summary, disagreements, notes } = explanation;
  return [
    `${from.address} → ${to}`,
    `=> ${summary}`,
    ...(disagreements.length > 0 ? ["", ...alarm(disagreements)] : []),
    "",
    ...section("client", [`${from.address}: ${from.description}`]),
    ...section("frontend", frontend(explanation)),
    ...section("kernel", kernel(explanation)),
    ...section(
      "decided by",
      explanation.decisions.map(({ name, value, effect }) => {
        return `${name} ${value}: ${effect}`;
      }),
    ),
    ...section("backends", rows(explanation.backends.map(backendRow))),
    ...section("policies", policies(explanation)),
    ...section("left out", rows(explanation.leftOut.map(leftOutRow))),
    ...section("note", notes),
    "",
  ].join("\n");
}

function alarm(disagreements: readonly string[]): string[] {
  return ["!! DATA PLANE AND CONTROLLER DISAGREE:", ...disagreements.map((each) => `!! ${each}`)];
}

const LABEL_WIDTH = 12;

/** Returns nothing when there are no lines. */
function section(label: string, lines: readonly string[]): string[] {
  return lines.map((line, index) => `${(index === 0 ? label : "").padEnd(LABEL_WIDTH)}${line}`);
}

function frontend({ frontDoor: dialled, nearMisses, to }: Explanation): string[] {
  if (!dialled) return [`none: ${to} is not a frontend of this node`, ...nearMisses];
  const port = dialled.portName === "" ? "" : `, port ${dialled.portName}`;
  return [`${dialled.key}, ${dialled.kind} of Service ${dialled.service}${port}`];
}

function kernel({ kernel: part, listener, cluster }: Explanation): string[] {
  const { steps, rule } = part;
  const used = steps.findLast((step) => `${step.chain}: ${step.rule}` === rule)?.elements ?? [];
  const elements = used.map(({ set, key, value }) => {
    return `element of ${set}: ${key}${value === undefined ? "" : ` : ${value}`}`;
  });
  return [
    ...(steps.length === 0 ? ["no rule of Portico matches"] : ways(steps)),
    ...(rule === undefined ? [] : [`rule of ${rule}`]),
    ...elements,
    ...(listener === undefined ? [] : [`handed to Envoy's listener ${listener}`]),
    ...(cluster === undefined ? [] : [`and from there to cluster ${cluster}`]),
  ];
}

/** Returns "prerouting: capture → from_frontend", a line for each hook. */
function ways(steps: readonly TraceStep[]): string[] {
  return [...Map.groupBy(steps, ({ hook }) => hook)].map(([hook, ofHook]) => {
    return `${hook}: ${[...new Set(ofHook.map(({ chain }) => chain))].join(" → ")}`;
  });
}

/** Returns what rules of others see: the client's packet, then Envoy's to a backend. */
function policies({ from, to, outcome, backends }: Explanation): string[] {
  if (outcome !== "served") return [];
  const ways = new Set(
    backends.map(({ seenIn, seenFrom }) => `${seenIn} hook sees ${seenFrom} → the backend`),
  );
  return [`input hook sees ${from.address} → ${to}`, ...ways];
}

function backendRow(backend: ExplainedBackend): string[] {
  const { place, pod, node, source, sourceIs, blocked, rememberedSeconds, ejected } = backend;
  const sees = `sees ${source} (${SOURCES[sourceIs]})`;
  const ends = blocked === "refuse" ? "refused" : "dropped";
  const what = blocked ? `${ends} by this node's rules` : sees;
  const again =
    rememberedSeconds === undefined ? "" : `; remembered for this client, ${rememberedSeconds} s`;
  const fails = ejected === undefined ? "" : `; ${ejectionText(ejected)}`;
  return [place, who(pod, node), what + again + fails];
}

const SOURCES: Record<ExplainedBackend["sourceIs"], string> = {
  kept: "the client's address, kept",
  masqueraded: "the node's: masqueraded",
  hairpin: "the node's: the client is the backend",
  bridge: "the node's: client and backend are on a bridge that does not call iptables",
};

function leftOutRow({ place, pod, node, why }: LeftOut): string[] {
  return [place, who(pod, node), why];
}

function who(pod: string | undefined, node: string | undefined): string {
  const where = node === undefined ? "" : `on ${node}`;
  return pod === undefined ? where : `${pod} ${where}`.trimEnd();
}

function rows(all: readonly string[][]): string[] {
  const shown = all.slice(0, MOST_LINES);
  const lines = columns(shown).split("\n").slice(0, -1);
  const more = all.length - shown.length;
  return more > 0 ? [...lines, `and ${more} more (-o json shows all)`] : lines;
}
