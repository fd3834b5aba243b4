// The numbers of proxy-wasm ABI 0.2.1 that the plugin uses, as in proxy-wasm/spec, "abi-versions/
// v0.2.1" and proxy_wasm_enums.h of proxy-wasm-cpp-sdk.

export const STATUS_OK: u32 = 0;
export const STATUS_NOT_FOUND: u32 = 1;
export const STATUS_CAS_MISMATCH: u32 = 8;
/** Not a status of the host: it returned STATUS_OK with an impossible result. */
export const STATUS_BROKEN: u32 = 0xff;

export const LOG_WARN: u32 = 3;
export const LOG_ERROR: u32 = 4;
export const LOG_CRITICAL: u32 = 5;

export const METRIC_COUNTER: u32 = 0;

export const BUFFER_HTTP_REQUEST_BODY: u32 = 0;
export const BUFFER_PLUGIN_CONFIGURATION: u32 = 7;

export const MAP_HTTP_REQUEST_HEADERS: u32 = 0;

export const STREAM_DOWNSTREAM: u32 = 2;

export const NO_GRPC_STATUS: i32 = -1;

/** What a stream's callback returns: continue with the next filter … */
export const ACTION_CONTINUE: u32 = 0;
/** … or stop. For a request's body it means: call again with more, and keep what there is. */
export const ACTION_STOP: u32 = 1;
