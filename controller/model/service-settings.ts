// The annotations portico.dev/… of a Service → how its owner wants its connections treated. A wrong
// one counts as absent, with a problem that says what is possible.
//
// How to add a setting: its name in SETTING_NAMES, a field of ServiceSettings, how it is read; then
// node/frontend-settings.ts, and the list in README.

import { balancingSettings } from "./balancing-settings.ts";
import { functionChoice } from "./function-choice.ts";
import { listOf, type ObjectReader, recordOf } from "./json.ts";
import { nearest } from "./near-text.ts";
import {
  hasAnnotation,
  oneOfAnnotation,
  PREFIX,
  refuseAnnotation,
  SETTING_NAMES,
  textOfAnnotation,
  wholeNumber,
} from "./setting-annotations.ts";
import type { ServiceSettings } from "./types.ts";

const MAX_LIMIT = 4_294_967_295;

/** Of a Service without annotations. */
export const NO_SETTINGS: ServiceSettings = Object.freeze({
  balancing: undefined,
  ejection: undefined,
  maxConnections: 0,
  maxNewConnectionsPerSecond: 0,
  weights: [],
  preferred: [],
  pick: undefined,
});

/** Returns NO_SETTINGS where no annotation is Portico's. */
export function serviceSettings(reader: ObjectReader): ServiceSettings {
  const own = Object.keys(reader.annotations).filter((name) => name.startsWith(PREFIX));
  if (own.length === 0) return NO_SETTINGS;
  for (const name of own) refuseUnknown(reader, name);
  return {
    ejection: ejection(reader),
    maxConnections: limit(reader, SETTING_NAMES.maxConnections),
    maxNewConnectionsPerSecond: limit(reader, SETTING_NAMES.maxNewConnections),
    ...balancingSettings(reader),
    pick: functionChoice(reader),
  };
}

function refuseUnknown(reader: ObjectReader, name: string): void {
  const known: string[] = Object.values(SETTING_NAMES);
  if (known.includes(name)) return;
  const names = known.map((each) => each.slice(PREFIX.length));
  const [near] = nearest(name.slice(PREFIX.length), names);
  const meant = near === undefined ? "" : `did you mean ${PREFIX}${near}? `;
  const message = `annotation ${name} is unknown: ${meant}${PREFIX} is followed by one of `;
  reader.leftOut(message + names.join(", "), "SettingRefused");
}

function ejection(reader: ObjectReader): boolean | undefined {
  const text = oneOfAnnotation(reader, SETTING_NAMES.ejection, ["on", "off"]);
  return text === undefined ? undefined : text === "on";
}

const NO_LIMIT_OF_UDP = "it holds for TCP only: the UDP ports of this Service have no limit";

function hasUdpPort({ spec }: ObjectReader): boolean {
  return listOf(spec.ports).some((port) => recordOf(port).protocol === "UDP");
}

function limit(reader: ObjectReader, name: string): number {
  if (!hasAnnotation(reader, name)) return 0;
  const text = textOfAnnotation(reader, name);
  const number = wholeNumber(text, MAX_LIMIT);
  if (number !== undefined) {
    if (hasUdpPort(reader)) refuseAnnotation(reader, name, NO_LIMIT_OF_UDP);
    return number;
  }
  const must = `it must be a whole number from 1 to ${MAX_LIMIT}, as text; no limit applies`;
  refuseAnnotation(reader, name, must);
  return 0;
}
