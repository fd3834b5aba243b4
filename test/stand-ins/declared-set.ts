// Rules as text, in nft's form or ours → the declaration of one set or map: what `nft list set`
// prints of it.

/** The part of a table's text that declares a set or map; empty when it does not. */
export function declarationOf(set: string, text: string): string {
  const [declaration = ""] =
    new RegExp(`^[ \\t]*(?:set|map) ${set} \\{\n(?:[^{}]|\\{[^{}]*\\})*\\}`, "m").exec(text) ?? [];
  return declaration;
}
