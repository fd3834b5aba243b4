// The backend and the client that a question is about → the entries for them. The client is the
// present connection's; it is read from the host at most once for each question, and only where
// there are entries.

import { clientAddress, readClient } from "../host/client";
import { FAMILY_IPV4 } from "../wire/layout";
import { Entry, entryAt, entryCount, isForAll } from "./entries";

/** No entry has this index. */
export const NO_ENTRY: u32 = 0xffffffff;

let backend: u64 = 0;
let backendRest: u64 = 0;
let port: u16 = 0;
let family: u8 = 0;
let client: u64 = 0;
let clientRest: u64 = 0;
let isClientKnown: bool = false;

/** Starts a question about a backend in the form of a record. */
export function setBackend(backendFamily: u32, bytes: usize): void {
  const isIPv4 = backendFamily === FAMILY_IPV4;
  family = <u8>backendFamily;
  backend = isIPv4 ? <u64>load<u32>(bytes) : load<u64>(bytes);
  backendRest = isIPv4 ? 0 : load<u64>(bytes, 8);
  port = isIPv4 ? load<u16>(bytes, 4) : load<u16>(bytes, 16);
}

/** Reads the present connection's client; false when it is unknown. */
export function setClient(): bool {
  const key = readClient();
  isClientKnown = key !== 0;
  if (!isClientKnown) return false;
  client = load<u64>(clientAddress(key));
  clientRest = load<u64>(clientAddress(key), 8);
  return true;
}

/** Reads it where there are entries for one client. */
export function findClient(): void {
  isClientKnown = false;
  for (let i: u32 = 0; i < entryCount() && !isClientKnown; i++) {
    if (!isForAll(entryAt(i)) && !setClient()) return;
  }
}

/** Reports whether the entry's client is the question's. */
export function isOfClient(entry: Entry): bool {
  return isClientKnown && entry.client === client && entry.clientRest === clientRest;
}

/** Reports whether the entry is about the question's backend. */
export function isOfBackend(entry: Entry): bool {
  return (
    entry.port === port &&
    entry.backend === backend &&
    entry.backendRest === backendRest &&
    entry.family === family
  );
}

/** Makes a new entry one about the question's backend and client. */
export function writeSubject(entry: Entry): void {
  entry.backend = backend;
  entry.backendRest = backendRest;
  entry.port = port;
  entry.family = family;
  writeClient(entry);
}

/** Makes the question's client the entry's. */
export function writeClient(entry: Entry): void {
  entry.client = client;
  entry.clientRest = clientRest;
}

/** Reports whether there is an entry about the question's backend, whoever it is for. */
export function hasEntry(): bool {
  for (let i: u32 = 0; i < entryCount(); i++) if (isOfBackend(entryAt(i))) return true;
  return false;
}

/** Returns the index of the backend's entry for all clients; NO_ENTRY when there is none. */
export function indexForAll(): u32 {
  for (let i: u32 = 0; i < entryCount(); i++) {
    if (isForAll(entryAt(i)) && isOfBackend(entryAt(i))) return i;
  }
  return NO_ENTRY;
}

/** Returns the index of the backend's entry for the client alone; NO_ENTRY when there is none. */
export function indexForClient(): u32 {
  for (let i: u32 = 0; i < entryCount(); i++) {
    const entry = entryAt(i);
    if (!isForAll(entry) && isOfBackend(entry) && isOfClient(entry)) return i;
  }
  return NO_ENTRY;
}
