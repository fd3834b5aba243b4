// The picked backend → where Envoy connects to.

import { setOriginalDestination } from "../host/filter-state";
import { backendPort } from "../table/backends";
import { backendBytes, keyFamily } from "../table/record";
import { pickedBackend } from "./backend";

/**
 * Makes the picked backend of a frontend's list the destination of the present connection. False
 * when the host refuses: then it must not reach the cluster.
 */
export function setPickedDestination(key: usize): bool {
  const backend = pickedBackend();
  const port = backendPort(backend, backendBytes(key));
  return setOriginalDestination(keyFamily(key), backend, bswap<u16>(port));
}
