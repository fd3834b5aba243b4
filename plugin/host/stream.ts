// The downstream connection.

import { STREAM_DOWNSTREAM } from "../abi/codes";
import { proxy_close_stream } from "../abi/env";

/** Closes the client's connection; the callback must return ACTION_STOP afterwards. */
export function closeDownstream(): void {
  proxy_close_stream(STREAM_DOWNSTREAM);
}
