// A root context: one role of the plugin in one worker's VM, named by its root_id. The role itself
// needs no memory of contexts: the host calls proxy_on_new_connection only for a network filter,
// proxy_on_request_headers only for an HTTP filter. The whole VM uses one of a frontend's lists:
// "connection-local" has a VM of its own (another vm_config.configuration, the same vm_id and so
// the same table), and no connection needs to find out which context it belongs to.

import { LOG_ERROR } from "../abi/codes";
import { release, returnedSize } from "../abi/memory";
import { defineCounters } from "../counters";
import { log } from "../host/log";
import { lastingProperty, readProperty } from "../host/property";
import { addNumber, addText, beginText, isText } from "../host/text";
import { seed } from "../pick/chance";
import { KEY_LIST_LOCAL } from "../wire/layout";
import { MAX_BUILD_BYTES, readConfiguration } from "./configuration";

const rootId: usize = lastingProperty("plugin_root_id");

let started: bool = false;
/** Whether a configured role here reads the cluster list, or the whole table. */
let hasOtherRole: bool = false;
/** What this VM adds to the family of a connection's key: KEY_LIST_LOCAL, or 0. */
export let keyList: u32 = 0;

/** How many configured root contexts are kept; a changed configuration brings new ones. */
const MOST_ROOTS: u32 = 8;
const roots: usize = memory.data(MOST_ROOTS * 4);
let rootsSeen: u32 = 0;

/** Returns whether a context is one of the last MOST_ROOTS that were configured. */
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

/** Runs once per VM, for whichever role comes first. */
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

/** Reports whether the root_id names a role that this VM can have. */
function takeRole(): bool {
  const value = readProperty(rootId);
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

function failConfiguration(): void {
  beginText();
  addText("the configuration is no build id (at most ");
  addNumber(MAX_BUILD_BYTES);
  addText(
    " of A-Z a-z 0-9 - . _), which " +
      "stats=off, stats=service, stats=backend, names, attempts=NUMBER and " +
      "attempt=MILLISECONDS may follow, each after a comma",
  );
  log(LOG_ERROR);
}

/** Returns 1 when it can serve the configuration, else 0: Envoy then refuses it. */
export function proxy_on_configure(contextId: u32, configurationSize: u32): u32 {
  start();
  addRoot(contextId);
  if (!takeRole()) return 0;
  if (readConfiguration(configurationSize)) return 1;
  failConfiguration();
  return 0;
}
