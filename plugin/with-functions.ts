// The plugin that takes functions: as index.ts, and a record may name a function, which then picks
// (functions/ask.ts). It does not load as it is built: the linker (controller/linker) puts
// functions in the place of its imports from "functions", and takes the exports api_… out.

export {
  api_addressHigh,
  api_addressLow,
  api_any,
  api_byHash,
  api_find,
  api_flags,
  api_hash,
  api_open,
  api_port,
  api_random,
  api_seconds,
  api_unixSeconds,
} from "./functions/api";
export * from "./index";

import { askFunction } from "./functions/ask";
import { setAsk } from "./pick/by-function";

setAsk(askFunction);
