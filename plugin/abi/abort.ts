// Where AssemblyScript's own failures end (asconfig.json names it): out of memory, and bugs. The
// host then takes this worker's plugin as failed and loads it again.

import { LOG_CRITICAL } from "./codes";
import { proxy_log } from "./env";

/** The longest message that is logged; longer ones are cut. */
const MAX_MESSAGE_BYTES: u32 = 128;

/** The message comes in UTF-16; its low bytes are enough for the runtime's English. */
export function abort(
  message: string | null,
  _file: string | null,
  _line: u32,
  _column: u32,
): void {
  const bytes = memory.data(MAX_MESSAGE_BYTES);
  let size: u32 = 0;
  if (message !== null) {
    for (let i = 0; i < message.length && size < MAX_MESSAGE_BYTES; i++) {
      store<u8>(bytes + size++, <u8>message.charCodeAt(i));
    }
  }
  proxy_log(LOG_CRITICAL, bytes, size);
  unreachable();
}
