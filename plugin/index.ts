// The callbacks that the host calls: a missing one costs nothing. No data callback, so no work per
// byte; no proxy_on_context_create, which would cost 5 µs per connection. proxy_on_done is the end
// of a connection, and of a root context.

export { malloc, proxy_abi_version_0_2_1 } from "./abi/memory";
export { proxy_on_new_connection } from "./contexts/connection";
export { proxy_on_done } from "./contexts/done";
export { proxy_on_configure } from "./contexts/root";
export { proxy_on_request_body, proxy_on_request_headers } from "./contexts/table-endpoint";
export { proxy_on_tick } from "./contexts/tick";

// Not a callback: asconfig.json makes it the program's abort.
import "./abi/abort";
