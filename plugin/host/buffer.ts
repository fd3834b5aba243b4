// The host's buffers: a request's body, the plugin's configuration.

import { STATUS_OK } from "../abi/codes";
import { proxy_get_buffer_bytes } from "../abi/env";
import {
  clearReturned,
  OUT_BYTES,
  OUT_SIZE,
  release,
  returnedBytes,
  returnedSize,
} from "../abi/memory";

/** Returns the first `size` bytes, for `release`; 0 when the host returns fewer or more. */
export function readBuffer(buffer: u32, size: u32): usize {
  clearReturned();
  if (proxy_get_buffer_bytes(buffer, 0, size, OUT_BYTES, OUT_SIZE) !== STATUS_OK) return 0;
  const bytes = returnedBytes();
  if (returnedSize() === size) return bytes;
  release(bytes);
  return 0;
}
