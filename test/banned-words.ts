// Words that the product's texts do without (help, logs, problems, Events, explanations, the page):
// what operators read is plain, modern English. Only string literals are looked at.

import { parseAst } from "rolldown/parseAst";

/** Word → why not, and what to write in its place. */
const BANNED: readonly (readonly [RegExp, string])[] = [
  [/\b(told|tells?|telling)\b/i, "programs print, report, show or log"],
  [/\b(whoever|somebody|nobody)\b/i, "name them: another process, the operator, no client"],
  [/\banew\b/i, "archaic: again, or the verb with re-: restart"],
  [/\bbesides?\b/i, "next to, in addition to"],
  [/\bpeople\b/i, "operators, users, clients"],
  [/\bfor ever\b/i, "indefinitely, or say until when"],
  [/\bdoors?\b/i, "one word for one thing: frontend"],
  [/\b(begun|mends?|mended)\b/i, "started, fixed"],
  [/\b(goes?|went) on\b/i, "keeps, continues"],
  [/\b(so that it be|of before|as it stands there)\b/i, "reads like a translation"],
];

/** Texts that may keep such a word, as "path: text". This list only shrinks. */
export const EXCEPTIONS: readonly string[] = [];

interface Node {
  type: string;
  value?: unknown;
  start: number;
  end: number;
}

/** Returns "path: text (why)" for each string literal or template that has such a word. */
export function bannedIn({ path, text }: { path: string; text: string }): string[] {
  const found: string[] = [];
  for (const literal of literalsIn(parseAst(text, { lang: "ts" }, path))) {
    const shown = text.slice(literal.start + 1, literal.end - 1);
    const words = shown.replaceAll(/\$\{[^}]*\}/g, "…");
    const why = BANNED.find(([word]) => word.test(words))?.[1];
    if (words.includes(" ") && why !== undefined) found.push(`${path}: ${shown} (${why})`);
  }
  return found;
}

function literalsIn(tree: unknown): Node[] {
  if (typeof tree !== "object" || tree === null) return [];
  if (Array.isArray(tree)) return tree.flatMap(literalsIn);
  const node = tree as Node;
  const isText = node.type === "Literal" && typeof node.value === "string";
  const own = isText || node.type === "TemplateLiteral" ? [node] : [];
  return [...own, ...Object.values(node).flatMap(literalsIn)];
}
