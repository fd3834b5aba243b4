// A root context: one role of the plugin in one worker's VM, named by its root_id. The role itself
// needs no memory of contexts: the host calls proxy_on_new_connection only for a network filter,
// proxy_on_request_headers only for an HTTP filter. Which of its lists a frontend is looked up in
// is the whole VM's: "connection-local" has a VM of its own (another vm_config.configuration, the
// same vm_id and so the same table), and no connection has to ask which context it belongs to.

import { LOG_ERROR } from "../abi/codes";
import { release, returnedSize } from "../abi/memory";
import { defineCounters } from "../counters";
import { log } from "../host/log";
import { readProperty } from "../host/property";
import { addText, beginText, isText, lastingAscii } from "../host/text";
import { seed } from "../pick/chance";
import { flushByTick } from "../stats/counted";
import { KEY_LIST_LOCAL } from "../wire/layout";
import { readConfiguration } from "./configuration";

const ROOT_ID = "plugin_root_id";
const rootIdPath: usize = lastingAscii(ROOT_ID);

let started: bool = false;
/** Whether a role was configured here that reads the cluster list, or the table as a whole. */
let hasOtherRole: bool = false;
/** What this VM adds to the family of a connection's key: KEY_LIST_LOCAL, or 0. */
export let keyList: u32 = 0;

/** Root contexts that were configured last; a VM gets new ones when its configuration changes. */
const MOST_ROOTS: u32 = 8;
const roots: usize = memory.data(32); // MOST_ROOTS * 4
let rootsSeen: u32 = 0;

export function isRoot(contextId: u32): bool {
  for (let i: u32 = 0; i < MOST_ROOTS; i++) {
    if (load<u32>(roots + i * 4) === contextId) return true;
  }
  return false;
}

function addRoot(contextId: u32): void {
  if (isRoot(contextId)) return;
  store<u32>(roots + (rootsSeen % MOST_ROOTS) * 4, contextId);
  rootsSeen++;
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

/** 1 when the configuration can be served, else 0: Envoy then refuses it. */
export function proxy_on_configure(contextId: u32, configurationSize: u32): u32 {
  start();
  addRoot(contextId);
  if (!takeRole()) return 0;
  if (readConfiguration(configurationSize)) return 1;
  fail(
    "the configuration is no build id (at most 64 of A-Z a-z 0-9 - . _), which " +
      "stats=off, stats=service, stats=backend and names may follow, each after a comma",
  );
  return 0;
}

export function proxy_on_tick(_contextId: u32): void {
  flushByTick();
}
