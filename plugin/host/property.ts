// Properties of the connection or the plugin. A path has NUL between its parts.

import { STATUS_OK } from "../abi/codes";
import { proxy_get_property } from "../abi/env";
import { clearReturned, OUT_BYTES, OUT_SIZE, returnedBytes } from "../abi/memory";

/** Returns the value (size: returnedSize), for `release`; 0 when absent, empty or refused. */
export function readProperty(path: usize, pathSize: u32): usize {
  clearReturned();
  const status = proxy_get_property(path, pathSize, OUT_BYTES, OUT_SIZE);
  return status === STATUS_OK ? returnedBytes() : 0;
}
