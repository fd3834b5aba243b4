// A root context: one role of the plugin in one worker's VM, named by its root_id. The role itself
// needs no memory of contexts: the host calls proxy_on_new_connection only for a network filter,
// proxy_on_request_headers only for an HTTP filter. Which of its lists a frontend is looked up in
// is the whole VM's: "connection-local" has a VM of its own (another vm_config.configuration, the
// same vm_id and so the same table), and no connection has to ask which context it belongs to.

import { BUFFER_PLUGIN_CONFIGURATION, LOG_ERROR } from "../abi/codes";
import { release, returnedSize } from "../abi/memory";
import { defineCounters } from "../counters";
import { readBuffer } from "../host/buffer";
import { log } from "../host/log";
import { readProperty } from "../host/property";
import { addText, beginText, isText, lastingAscii } from "../host/text";
import { seed } from "../pick/chance";
import { KEY_LIST_LOCAL } from "../wire/layout";

const ROOT_ID = "plugin_root_id";
const rootIdPath: usize = lastingAscii(ROOT_ID);

/** Longest build id. */
const MAX_BUILD_BYTES: u32 = 64;
const build: usize = memory.data(64);
let buildSize: u32 = 0;

let started: bool = false;
/** Whether a role was configured here that reads the cluster list, or the table as a whole. */
let hasOtherRole: bool = false;
/** What this VM adds to the family of a connection's key: KEY_LIST_LOCAL, or 0. */
export let keyList: u32 = 0;

/** What this code was built as; it comes with the configuration (readBuildId). */
export function buildId(): usize {
  return build;
}

export function buildIdSize(): u32 {
  return buildSize;
}

/** Once for each VM, whichever role comes first. */
function start(): void {
  if (started) return;
  started = true;
  seed();
  defineCounters();
}

function fail(reason: string): bool {
  beginText();
  addText(reason);
  log(LOG_ERROR);
  return false;
}

/** Whether the root_id names a role, and one that this VM can have. */
function takeRole(): bool {
  const value = readProperty(rootIdPath, ROOT_ID.length);
  const size = value === 0 ? 0 : returnedSize();
  const isLocal = isText(value, size, "connection-local");
  const isOther = isText(value, size, "connection") || isText(value, size, "table");
  release(value);
  if (!isLocal && !isOther) {
    return fail('root_id is none of "connection", "connection-local" and "table"');
  }
  if (isLocal ? hasOtherRole : keyList !== 0) {
    return fail('"connection-local" needs a VM of its own, by its vm_config.configuration');
  }
  if (isLocal) keyList = KEY_LIST_LOCAL;
  else hasOtherRole = true;
  return true;
}

function isPlain(character: u8): bool {
  const letter = (character | 0x20) - 0x61;
  const digit = character - 0x30;
  return (
    letter < 26 || digit < 10 || character === 0x2d || character === 0x2e || character === 0x5f
  );
}

/** Takes the build id from the configuration; it may be empty. */
function readBuildId(size: u32): bool {
  buildSize = 0;
  if (size === 0) return true;
  if (size > MAX_BUILD_BYTES) return false;
  const value = readBuffer(BUFFER_PLUGIN_CONFIGURATION, size);
  if (value === 0) return false;
  let plain = true;
  for (let i: u32 = 0; i < size; i++) plain = plain && isPlain(load<u8>(value + i));
  if (plain) {
    memory.copy(build, value, size);
    buildSize = size;
  }
  release(value);
  return plain;
}

/** 1 when the configuration can be served, else 0: Envoy then refuses it. */
export function proxy_on_configure(_contextId: u32, configurationSize: u32): u32 {
  start();
  if (!takeRole()) return 0;
  if (readBuildId(configurationSize)) return 1;
  fail("the configuration is no build id (at most 64 of A-Z a-z 0-9 - . _)");
  return 0;
}
