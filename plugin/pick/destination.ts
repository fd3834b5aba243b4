// The picked backend → where Envoy connects to.

import { setOriginalDestination } from "../host/filter-state";
import { backendBytes, keyFamily } from "../table/record";
import { pickedBackend } from "./backend";

const FLAGS_AND_PORT_BYTES: u32 = 4;

/**
 * Makes the picked backend of a frontend's list the destination of the present connection. False
 * when the host refuses: then it must not reach the cluster.
 */
export function setPickedDestination(key: usize): bool {
  const backend = pickedBackend();
  const port = load<u16>(backend + backendBytes(key) - FLAGS_AND_PORT_BYTES);
  return setOriginalDestination(keyFamily(key), backend, bswap<u16>(port));
}
