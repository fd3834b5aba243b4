// A source map of asc (version 3) → the line of a place in the module. Such a map has one line; its
// columns are offsets in the module.

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const DIGIT_BITS = 5;
const MORE = 32;

/** From this offset on, until the next one. */
export interface Mapping {
  readonly place: number;
  /** "pick.ts", "~lib/array.ts". */
  readonly source: string;
  /** From 1. */
  readonly line: number;
}

/** Returns the mappings by ascending place; none for a text that is not such a map. */
export function readSourceMap(text: string | undefined): Mapping[] {
  if (text === undefined) return [];
  let map: { sources?: unknown; mappings?: unknown };
  try {
    map = JSON.parse(text) as typeof map;
  } catch {
    return [];
  }
  if (!Array.isArray(map?.sources) || typeof map.mappings !== "string") return [];
  return mappingsOf(map.sources.map(String), map.mappings);
}

function mappingsOf(sources: readonly string[], text: string): Mapping[] {
  const found: Mapping[] = [];
  let place = 0;
  let source = 0;
  let line = 0;
  for (const segment of text.split(";").join("").split(",")) {
    const [byPlace = 0, bySource, byLine = 0] = numbersOf(segment);
    place += byPlace;
    if (bySource === undefined) continue;
    source += bySource;
    line += byLine;
    found.push({ place, source: sources[source] ?? "?", line: line + 1 });
  }
  return found.sort((one, other) => one.place - other.place);
}

/** Base 64, 5 bits a digit, the sign in the lowest bit. */
function numbersOf(segment: string): number[] {
  const numbers: number[] = [];
  let value = 0;
  let shift = 0;
  for (const character of segment) {
    const digit = DIGITS.indexOf(character);
    value |= (digit & (MORE - 1)) << shift;
    shift += DIGIT_BITS;
    if (digit & MORE) continue;
    numbers.push(value & 1 ? -(value >> 1) : value >> 1);
    value = 0;
    shift = 0;
  }
  return numbers;
}
