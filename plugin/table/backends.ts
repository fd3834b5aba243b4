// Finds one in a row of backends in ascending order, by its address. Flags do not matter.

const FLAGS_BYTES: u32 = 2;

/** Negative, 0 or positive; a backend has `bytes`, its flags included. */
export function compareBackends(a: usize, b: usize, bytes: u32): i32 {
  return memory.compare(a, b, bytes - FLAGS_BYTES);
}

/** Returns the backend with the address and port of `wanted`; 0 when it is missing. */
export function findBackend(list: usize, count: u32, bytes: u32, wanted: usize): usize {
  let low: u32 = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    const backend = list + middle * bytes;
    const order = compareBackends(wanted, backend, bytes);
    if (order === 0) return backend;
    if (order < 0) high = middle;
    else low = middle + 1;
  }
  return 0;
}
