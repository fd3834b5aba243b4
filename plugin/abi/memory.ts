// Memory that passes between host and plugin, and which side frees it.
//
// The host calls `malloc` whenever it returns bytes; from then on they are the plugin's, which
// frees them with `release`. What the plugin passes to the host stays the plugin's: the host copies
// it during the call. Nothing here or above is a managed object; the heap is TLSF.
//
// Registers. A function returns one number. It leaves other results in globals of its module, and a
// separate function reads each. That is safe because a VM runs one callback at a time and to its
// end: the host calls only `malloc` meanwhile, which touches no register. The rule: read a register
// before the call that fills it again, and copy what must last longer.
//
//   until the next host call: returnedBytes, returnedSize (here), returnedCas (shared-data.ts)
//   until what fills it is called again: textBytes (by beginText); the keys of table/keys.ts, each
//     by itself; head (readHead), checkedRemovals (checkFrame), bucketChange (its user), addRefusal
//     (refuse); pickedBackend (pickAny, pickListed, isListed), pickedServiceId (pickBackend),
//     lastBackend (itself); bucketBytes, evictedEntries (writeBucket); countedEntry; queryFirst,
//     queryCount (parseQuery), queriedFrontend, queriedClient (parseSessionQuery); the route
//     (findRoute); viewCount, viewBackend and the others of functions/view.ts (beginView);
//     readClient (itself)
//   until releaseBucket: readBytes, readSize (readBucket)
//   until released: dumpedPage (dumpBuckets), copiedRow (copyBuckets), statsAnswer (dumpPages)

/** Where host functions write the address of the bytes they return, and the size next to it. */
export const OUT_BYTES: usize = memory.data(4);
export const OUT_SIZE: usize = memory.data(4);
/** Where they write a plain number: a compare-and-set number, a metric, a time (8 bytes). */
export const OUT_NUMBER: usize = memory.data(8, 8);

/** Marks the module's ABI version: the host looks for the name and never calls it. */
export function proxy_abi_version_0_2_1(): void {}

/** Allocates for the host while one of its functions is called; the plugin releases it. */
export function malloc(size: usize): usize {
  return heap.alloc(size);
}

/** For use before every call that returns bytes: a silent host then leaves no double free. */
export function clearReturned(): void {
  store<usize>(OUT_BYTES, 0);
  store<usize>(OUT_SIZE, 0);
}

/** Returns the address of the bytes that the last call returned; 0 when there are none. */
export function returnedBytes(): usize {
  return load<usize>(OUT_BYTES);
}

/** Returns how many bytes the last call returned. */
export function returnedSize(): u32 {
  return load<u32>(OUT_SIZE);
}

/** Frees bytes from the host or from `allocate`; does nothing for 0. */
export function release(bytes: usize): void {
  if (bytes !== 0) heap.free(bytes);
}

/** Allocates bytes with any content, for `release`; traps when there is no memory left. */
export function allocate(size: usize): usize {
  return heap.alloc(size);
}
