// Memory that passes between host and plugin, and who frees it.
//
// The host asks `malloc` for room whenever it gives bytes back; from then on they are the
// plugin's, which frees them with `release`. What the plugin gives the host stays the plugin's:
// the host copies it during the call. Nothing here or above is a managed object; the heap is TLSF.

/** Where host functions write the address of the bytes they give back, and the size beside it. */
export const OUT_BYTES: usize = memory.data(4);
export const OUT_SIZE: usize = memory.data(4);
/** Where they write a plain number: a compare-and-set number, a metric, a time (8 bytes). */
export const OUT_NUMBER: usize = memory.data(8, 8);

export function proxy_abi_version_0_2_1(): void {}

export function malloc(size: usize): usize {
  return heap.alloc(size);
}

/** Before every call that gives bytes back, so that a silent host leaves nothing to free twice. */
export function clearReturned(): void {
  store<usize>(OUT_BYTES, 0);
  store<usize>(OUT_SIZE, 0);
}

/** Address of the bytes the last call gave back; 0 when it gave none. */
export function returnedBytes(): usize {
  return load<usize>(OUT_BYTES);
}

export function returnedSize(): u32 {
  return load<u32>(OUT_SIZE);
}

/** Frees bytes that the host gave or that `allocate` made; 0 is nothing. */
export function release(bytes: usize): void {
  if (bytes !== 0) heap.free(bytes);
}

export function allocate(size: usize): usize {
  return heap.alloc(size);
}
