// The plugin's configuration, a text from the controller: "BUILD" or "BUILD,OPTION,…" → the build
// id of this code, what it counts, whether it names connections for the flow log, how many of
// Envoy's attempts to connect go to backends, and how long each lasts.
//
// To add an option: a line in takeOption. A plugin that does not know an option refuses it, and
// Envoy keeps the code that it has.

import { BUFFER_PLUGIN_CONFIGURATION } from "../abi/codes";
import { release } from "../abi/memory";
import { readBuffer } from "../host/buffer";
import { isText } from "../host/text";
import { setEjecting } from "../pick/ejected";
import { setNaming } from "../pick/lookup";
import { MOST_TRIED } from "../pick/tried";
import { setWatching, watchesConnections } from "../repick/watch";
import { COUNT_BACKENDS, COUNT_NOTHING, COUNT_SERVICES, setCounting } from "../stats/connections";

/** The longest build id. */
export const MAX_BUILD_BYTES: u32 = 64;
const MAX_CONFIGURATION_BYTES: u32 = 256;
const COMMA: u8 = 0x2c;

const ATTEMPT = "attempt=";
/** As the controller has Envoy connect, unless an option says otherwise (xds/tcp-options.ts). */
const DEFAULT_ATTEMPT_MILLISECONDS: u32 = 1000;
const ATTEMPTS = "attempts=";
const DEFAULT_ATTEMPTS: u32 = MOST_TRIED;
const MOST_DIGITS: u32 = 9;

const build: usize = memory.data(MAX_BUILD_BYTES);
let buildSize: u32 = 0;
let attempts: u32 = 0;
let attemptMilliseconds: u32 = 0;
/** What readNumber read. */
let number: u32 = 0;

/** Returns the build id of this code, which comes with the configuration. */
export function buildId(): usize {
  return build;
}

/** Returns the size of the build id, at most MAX_BUILD_BYTES; 0 when there is none. */
export function buildIdSize(): u32 {
  return buildSize;
}

function isPlain(character: u8): bool {
  const letter = (character | 0x20) - 0x61;
  const digit = character - 0x30;
  return (
    letter < 26 || digit < 10 || character === 0x2d || character === 0x2e || character === 0x5f
  );
}

/** Returns the end of the part that starts at `at`. */
function endOfPart(at: usize, end: usize): usize {
  while (at < end && load<u8>(at) !== COMMA) at++;
  return at;
}

function takeBuild(bytes: usize, size: u32): bool {
  if (size > MAX_BUILD_BYTES) return false;
  for (let i: u32 = 0; i < size; i++) if (!isPlain(load<u8>(bytes + i))) return false;
  memory.copy(build, bytes, size);
  buildSize = size;
  return true;
}

/** Reads "NAME=NUMBER" into `number`; false for another name, or no number. */
function readNumber(bytes: usize, size: u32, name: string): bool {
  const digits = size - name.length;
  if (size <= <u32>name.length || digits > MOST_DIGITS) return false;
  if (!isText(bytes, name.length, name)) return false;
  number = 0;
  for (let at = bytes + name.length; at < bytes + size; at++) {
    const digit = <u32>load<u8>(at) - 0x30;
    if (digit > 9) return false;
    number = number * 10 + digit;
  }
  return true;
}

/** Takes "attempt=1000": ms of one attempt, 0 where Envoy makes only one; or "attempts=10". */
function takeAttempts(bytes: usize, size: u32): bool {
  if (readNumber(bytes, size, ATTEMPT)) attemptMilliseconds = number;
  else if (readNumber(bytes, size, ATTEMPTS)) attempts = number;
  else return false;
  return true;
}

function takeOption(bytes: usize, size: u32): bool {
  if (isText(bytes, size, "stats=off")) setCounting(COUNT_NOTHING);
  else if (isText(bytes, size, "stats=service")) setCounting(COUNT_SERVICES);
  else if (isText(bytes, size, "stats=backend")) setCounting(COUNT_BACKENDS);
  else if (isText(bytes, size, "names")) setNaming(true);
  else return takeAttempts(bytes, size);
  return true;
}

function takeParts(bytes: usize, end: usize): bool {
  let partEnd = endOfPart(bytes, end);
  if (!takeBuild(bytes, <u32>(partEnd - bytes))) return false;
  while (partEnd < end) {
    const part = partEnd + 1;
    partEnd = endOfPart(part, end);
    if (!takeOption(part, <u32>(partEnd - part))) return false;
  }
  return true;
}

function takeAll(size: u32): bool {
  if (size === 0) return true;
  if (size > MAX_CONFIGURATION_BYTES) return false;
  const bytes = readBuffer(BUFFER_PLUGIN_CONFIGURATION, size);
  if (bytes === 0) return false;
  const taken = takeParts(bytes, bytes + size);
  release(bytes);
  return taken;
}

/** Reads the configuration of this size, which may be empty. False when it is invalid. */
export function readConfiguration(size: u32): bool {
  buildSize = 0;
  setCounting(COUNT_SERVICES);
  setNaming(false);
  attempts = DEFAULT_ATTEMPTS;
  attemptMilliseconds = DEFAULT_ATTEMPT_MILLISECONDS;
  const taken = takeAll(size);
  setWatching(attempts, attemptMilliseconds);
  // A failure is seen only of a connection that is watched.
  setEjecting(watchesConnections());
  return taken;
}
