// One copy of each text that many objects repeat: node names, zones, port names. JSON.parse makes a
// new string every time; 100,000 endpoints name their node.

/** Forgetting all of them costs memory, not correctness. */
const MOST_TEXTS = 65_536;

export class Interner {
  readonly #texts = new Map<string, string>();

  /** Returns the first string with these characters. */
  text(text: string): string {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    if (this.#texts.size >= MOST_TEXTS) this.#texts.clear();
    this.#texts.set(text, text);
    return text;
  }
}
