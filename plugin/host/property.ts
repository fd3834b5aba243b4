// Properties of the connection or the plugin. A path has NUL between its parts.

import { STATUS_OK } from "../abi/codes";
import { proxy_get_property } from "../abi/env";
import {
  allocate,
  clearReturned,
  OUT_BYTES,
  OUT_SIZE,
  release,
  returnedBytes,
  returnedSize,
} from "../abi/memory";
import { writeAscii } from "./text";

//    0        4
//   +--------+----------+
//   | size n | path (n) |
//   +--------+----------+
const PATH_OFFSET: u32 = 4;

/** Returns a property to be read, never freed: for paths, when the VM starts. */
export function lastingProperty(path: string): usize {
  const property = allocate(PATH_OFFSET + path.length);
  store<u32>(property, path.length);
  writeAscii(path, property + PATH_OFFSET);
  return property;
}

/** Returns the value (size: returnedSize), for `release`; 0 when absent, empty or refused. */
export function readProperty(property: usize): usize {
  clearReturned();
  const path = property + PATH_OFFSET;
  const status = proxy_get_property(path, load<u32>(property), OUT_BYTES, OUT_SIZE);
  return status === STATUS_OK ? returnedBytes() : 0;
}

/** Returns the value of a property of 8 bytes; 0 when absent. */
export function readNumber(property: usize): u64 {
  const value = readProperty(property);
  const number = value !== 0 && returnedSize() === 8 ? load<u64>(value) : 0;
  release(value);
  return number;
}
