// The plugin's configuration, a text of the controller's: "BUILD" or "BUILD,OPTION,…" → what this
// code was built as, what it is to count, and whether it names connections for the flow log.
//
// To add an option: a line in takeOption. A plugin that does not know one refuses it, and Envoy
// goes on with the code it has.

import { BUFFER_PLUGIN_CONFIGURATION } from "../abi/codes";
import { release } from "../abi/memory";
import { readBuffer } from "../host/buffer";
import { isText } from "../host/text";
import { setNaming } from "../pick/lookup";
import { COUNT_BACKENDS, COUNT_NOTHING, COUNT_SERVICES, setCounting } from "../stats/connections";

/** Longest build id. */
const MAX_BUILD_BYTES: u32 = 64;
const MAX_CONFIGURATION_BYTES: u32 = 256;
const COMMA: u8 = 0x2c;

const build: usize = memory.data(64);
let buildSize: u32 = 0;

/** What this code was built as; it comes with the configuration. */
export function buildId(): usize {
  return build;
}

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

/** Where the part that begins at `at` has its end. */
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

function takeOption(bytes: usize, size: u32): bool {
  if (isText(bytes, size, "stats=off")) setCounting(COUNT_NOTHING);
  else if (isText(bytes, size, "stats=service")) setCounting(COUNT_SERVICES);
  else if (isText(bytes, size, "stats=backend")) setCounting(COUNT_BACKENDS);
  else if (isText(bytes, size, "names")) setNaming(true);
  else return false;
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

/** Takes what the configuration of this size says; it may be empty. False when it is wrong. */
export function readConfiguration(size: u32): bool {
  buildSize = 0;
  setCounting(COUNT_SERVICES);
  setNaming(false);
  if (size === 0) return true;
  if (size > MAX_CONFIGURATION_BYTES) return false;
  const bytes = readBuffer(BUFFER_PLUGIN_CONFIGURATION, size);
  if (bytes === 0) return false;
  const taken = takeParts(bytes, bytes + size);
  release(bytes);
  return taken;
}
