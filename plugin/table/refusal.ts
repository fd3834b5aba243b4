// Why a frame is refused: kept as numbers, made into text only when it is sent.

import { addNumber, addText } from "../host/text";

let what: string = "";
let limitName: string = "";
let value: u64 = 0;
let limit: u64 = 0;
let offset: u64 = 0;

/** Notes what is wrong with the value at a byte offset of the frame; returns false. */
export function refuse(about: string, found: u64, at: u64): bool {
  what = about;
  limitName = "";
  value = found;
  offset = at;
  return false;
}

/** Notes that a value exceeds a limit of wire/layout.ts; returns false. */
export function refuseOver(name: string, most: u64, about: string, found: u64, at: u64): bool {
  refuse(about, found, at);
  limitName = name;
  limit = most;
  return false;
}

/** Adds "backend count 70000 is over MAX_BACKENDS (65535), at byte 68". */
export function addRefusal(): void {
  addText(what);
  addText(" ");
  addNumber(value);
  if (limitName.length > 0) {
    addText(" is over ");
    addText(limitName);
    addText(" (");
    addNumber(limit);
    addText(")");
  }
  addText(", at byte ");
  addNumber(offset);
}
