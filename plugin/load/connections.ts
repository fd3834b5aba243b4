// The open connections of this VM that count for balancing "least-connections": which backend each
// has, from its pick until it ends. Nothing here while no Service has that balancing.
//
//    0         4
//   +---------+---------+
//   | context | backend |   a slot of the map; backend is a number of loads.ts
//   | u32     | u32     |
//   +---------+---------+

import {
  addContext,
  ContextMap,
  enterSome,
  removeContext,
  slotOfContext,
} from "../host/context-map";
import { tickEvery } from "../host/ticks";
import { addOwn, numberOf, removeOwn } from "./loads";

const BACKEND_OFFSET: u32 = 4;
const WRITE_MILLISECONDS: u32 = 1000;

const contexts = changetype<ContextMap>(memory.data(offsetof<ContextMap>(), 8));
contexts.slotBytes = 8;

let isChanged: bool = false;

function noteChange(): void {
  isChanged = true;
  tickEvery(WRITE_MILLISECONDS);
}

/** Returns whether counts have changed since the last noteWritten. */
export function hasChanged(): bool {
  return isChanged;
}

/** The counts are written. */
export function noteWritten(): void {
  isChanged = false;
}

/** Returns whether any connection counts. */
export function hasConnections(): bool {
  return contexts.used !== 0;
}

/** A connection counts from now on, for a backend of `bytes`. */
export function addConnection(context: u32, backend: usize, bytes: u32): void {
  const number = numberOf(backend, bytes);
  store<u32>(addContext(contexts, context) + BACKEND_OFFSET, number);
  addOwn(number);
  noteChange();
}

/** The connection has another backend; does nothing for one that does not count. */
export function moveConnection(context: u32, backend: usize, bytes: u32): void {
  const slot = slotOfContext(contexts, context);
  if (slot === 0) return;
  const number = numberOf(backend, bytes);
  removeOwn(load<u32>(slot + BACKEND_OFFSET));
  store<u32>(slot + BACKEND_OFFSET, number);
  addOwn(number);
  noteChange();
}

/** The context has ended; it need not be that of a connection that counts. */
export function endConnection(context: u32): void {
  const slot = slotOfContext(contexts, context);
  if (slot === 0) return;
  removeOwn(load<u32>(slot + BACKEND_OFFSET));
  removeContext(contexts, slot);
  noteChange();
}

/** Requests ticks for what counts, from a root context that still has connections. */
export function tickAgain(): void {
  if (enterSome(contexts)) tickEvery(WRITE_MILLISECONDS);
}
