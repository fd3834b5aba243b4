// The annotations of a Service by which its owner sets something: their names, and how to read one.

import { hasKey, type ObjectReader, shown } from "./json.ts";
import { nearest } from "./near-text.ts";

export const PREFIX = "portico.dev/";

export const SETTING_NAMES = {
  balancing: `${PREFIX}balancing`,
  weights: `${PREFIX}weights`,
  preferred: `${PREFIX}preferred-backends`,
  pick: `${PREFIX}pick`,
  pickParameters: `${PREFIX}pick-parameters`,
  ejection: `${PREFIX}ejection`,
  maxConnections: `${PREFIX}max-connections`,
  maxNewConnections: `${PREFIX}max-new-connections-per-second`,
} as const;

/** Reports whether it is there, whatever its value. */
export function hasAnnotation({ annotations }: ObjectReader, name: string): boolean {
  return hasKey(annotations, name);
}

/** Returns it without spaces around it; empty when it is absent, or no text. */
export function textOfAnnotation({ annotations }: ObjectReader, name: string): string {
  const value = hasKey(annotations, name) ? annotations[name] : "";
  return typeof value === "string" ? value.trim() : "";
}

/** Notes a problem of the annotation, or of `part` of it; `why` says what is possible. */
export function refuseAnnotation(
  reader: ObjectReader,
  name: string,
  why: string,
  part?: string,
): void {
  const value = hasAnnotation(reader, name) ? reader.annotations[name] : undefined;
  const found = part === undefined ? `is ${shown(value)}` : `has ${shown(part)}`;
  reader.leftOut(`annotation ${name} ${found}: ${why}`, "SettingRefused");
}

/** Returns undefined when it is absent, or (with a problem) none of `known`. */
export function oneOfAnnotation<T extends string>(
  reader: ObjectReader,
  name: string,
  known: readonly T[],
): T | undefined {
  if (!hasAnnotation(reader, name)) return undefined;
  const text = textOfAnnotation(reader, name);
  const found = known.find((each) => each === text);
  if (found !== undefined) return found;
  const [near] = nearest(text, known);
  const meant = near === undefined ? "" : `did you mean ${near}? `;
  const must = `it must be one of ${known.join(", ")}; the node's default applies`;
  refuseAnnotation(reader, name, meant + must);
  return undefined;
}

/** Returns undefined when the text is not a whole number from 1 to `most`. */
export function wholeNumber(text: string, most: number): number | undefined {
  const number = Number(text);
  return /^[1-9][0-9]*$/.test(text) && number <= most ? number : undefined;
}
